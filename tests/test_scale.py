"""The arithmetic of benchmarks/scale.py, and the part of a document that it writes."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from diplomacy_nlp.documents import find_files, read_documents

ROOT = Path(__file__).resolve().parent.parent

sys.path.insert(0, str(ROOT / "benchmarks"))
scale = importlib.import_module("scale")
memory = importlib.import_module("memory")
scale_parts = importlib.import_module("scale_parts")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Run the benchmark on a command line that takes 2 s and 1 ms a sentence for each worker."""
    parquet = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    now = 0.0

    def run(command, **_):
        nonlocal now
        texts = [document.text for document in read_documents(find_files([command[4]]))]
        sentences = [text for text in " ".join(texts).split(".") if text.strip()]
        n_workers = int(command[command.index("--workers") + 1]) if "--workers" in command else 1
        now += 2.0 + len(sentences) / 1000 / n_workers
        folder = Path(command[-1])
        folder.mkdir()
        parquet.write_table(pa.table({"text": sentences}), folder / "part-00000.parquet")

    monkeypatch.setattr(scale, "subprocess", SimpleNamespace(run=run))
    monkeypatch.setattr(scale, "time", SimpleNamespace(perf_counter=lambda: now))
    output = tmp_path / "scale.json"
    arguments = ["--sentences", "1000", "--rounds", "2", "--workers", "1,4"]
    assert scale.main([*arguments, "--output", str(output)]) == 0
    return json.loads(output.read_text(encoding="utf-8"))


def test_start_up_is_told_apart(results):
    runs = [results["one_process"], *results["ray"]]
    for run, rate in zip(runs, (1000, 1000, 4000), strict=True):
        assert run["sentences_per_second"]["median"] == pytest.approx(rate)
        assert run["start_up_seconds"]["high"] == pytest.approx(2.0)
    seconds = results["seconds"]["one process"]
    assert max(seconds["small"]) < min(seconds["large"])
    assert 40 < results["bytes_per_sentence"]["text"] < 400


def test_the_part_says_what_a_billion_takes(results):
    part = scale_parts.scale_part(results)
    # 1e9 / (4,000 / 4 a worker * 16 workers) seconds, and a quarter of that with four times as many
    assert "| 1 | 17.4 hours | 4.3 hours |" in part
    assert "| Ray, 4 workers | 4,000 | 2.0 |" in part
    assert "1,000,000,000 sentences, at the 1,000 a second that each of 4 workers reached" in part


def test_what_was_not_measured_says_nothing():
    assert scale_parts.scale_part(None) == ""
    assert scale_parts.memory_part(None) == ""


def test_memory_is_that_of_the_command(tmp_path):
    pytest.importorskip("pyarrow")
    output = tmp_path / "memory.json"
    assert memory.main(["--runs", "fast:60,accurate:60", "--output", str(output)]) == 0
    results = json.loads(output.read_text(encoding="utf-8"))
    assert [run["tier"] for run in results["runs"]] == ["fast", "accurate"]
    for run in results["runs"]:
        assert 55 < run["n_sentences"] < 70
        # Its most may be that of the tests, which it was for a moment when it began.
        assert run["peak_mb"] > 50
    part = scale_parts.memory_part(results)
    assert f"| fast | {results['runs'][0]['n_sentences']} |" in part


def test_folders_hold_as_many_sentences_as_asked_for(tmp_path):
    folder = scale.write_folder(tmp_path / "folder", 95)
    texts = [document.text for document in read_documents(find_files([str(folder.path)]))]
    assert len(texts) == 4
    assert folder.n_bytes == sum(len(text.encode()) for text in texts)
