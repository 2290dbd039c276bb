# `make demo` tags a report; `make test` runs every check. Each sets up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint models benchmarks clean

demo: $(VENV)/.base
	$(BIN)/diplomacy-nlp tag examples/summit.txt

test: $(VENV)/.dev
	$(MAKE) lint
	$(BIN)/python -m pytest --cov --cov-report=term

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

models: $(VENV)/.dev
	$(BIN)/python training/train_models.py

benchmarks: $(VENV)/.dev
	$(BIN)/python benchmarks/sentences.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/render.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# pip 25.1 was the first to read dependency groups.
$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[train,parquet,check,report,ray]' --group dev
	touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
