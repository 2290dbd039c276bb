"""The tests of behaviour: their cases, how they are judged, and whether the results are fresh."""

import doctest
import hashlib
import importlib
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from fakes import load_fake_tagger

from diplomacy_nlp import CORE, DiplomacyError, Tagger
from diplomacy_nlp.model_files import SHIPPED_MODELS

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "data" / "behaviour.jsonl"
RESULTS = ROOT / "benchmarks" / "results" / "behaviour.json"
README = (ROOT / "data" / "README.md").read_text(encoding="utf-8").splitlines()

TEST_OF_KIND = {
    "contrast": "labels",
    "domestic-international": "labels",
    "negation": "labels",
    "pledged-done": "labels",
    "body-name": "labels",
    "swap": "invariance",
    "case": "invariance",
    "spelling": "invariance",
    "quotation": "invariance",
    "typing-error": "invariance",
    "passing-word": "labels",
    "list": "labels",
}

sys.path.insert(0, str(ROOT / "benchmarks"))
behaviour = importlib.import_module("behaviour")


@pytest.fixture(scope="module")
def rows():
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def results():
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def case(texts, domains=None, kind="contrast"):
    right = () if domains is None else tuple(map(frozenset, domains))
    test = "invariance" if domains is None else "labels"
    return behaviour.Case("b1", kind, test, tuple(texts), right, "a note")


def is_passed(*arguments):
    return behaviour.run_case(load_fake_tagger(domains="core"), case(*arguments)).is_passed


class TestCases:
    def test_rows_are_well_formed(self, rows):
        for number, row in enumerate(rows, start=1):
            assert row["id"] == f"b{number:03}"
            assert row["test"] == TEST_OF_KIND[row["kind"]]
            keys = {"id", "kind", "test", "texts", "note"}
            assert row.keys() == keys | ({"domains"} if row["test"] == "labels" else set())
            assert len(row["texts"]) >= (2 if row["test"] == "invariance" else 1)
            assert row["note"].strip()

    def test_every_kind_has_its_cases(self, rows):
        counts = Counter(row["kind"] for row in rows)
        assert counts.keys() == TEST_OF_KIND.keys()
        assert min(counts.values()) >= 25
        assert len(rows) >= 250

    def test_labels_are_core_domains_in_column_order(self, rows):
        for row in rows:
            if row["test"] == "labels":
                assert len(row["domains"]) == len(row["texts"])
                for domains in row["domains"]:
                    assert domains == [name for name in CORE.names if name in domains], row["id"]

    def test_every_kind_of_label_is_there(self, rows):
        labels = [domains for row in rows for domains in row.get("domains", ())]
        counts = Counter(name for domains in labels for name in domains)
        assert min(counts[name] for name in CORE.names) >= 25
        assert sum(not domains for domains in labels) >= 100

    def test_texts_are_unique_and_clean(self, rows):
        texts = [text for row in rows for text in row["texts"]]
        assert len(set(texts)) == len(texts)
        assert [text for text in texts if text != " ".join(text.split())] == []

    def test_no_text_is_a_written_sentence(self, rows):
        written = (ROOT / "data" / "written.jsonl").read_text(encoding="utf-8").splitlines()
        known = {json.loads(line)["text"].casefold() for line in written}
        assert not known & {text.casefold() for row in rows for text in row["texts"]}

    def test_readme_counts_are_those_of_the_file(self, rows):
        def counts(chosen):
            return f"{len(chosen)} | {sum(len(row['texts']) for row in chosen)} |"

        for kind, test in TEST_OF_KIND.items():
            of_kind = [row for row in rows if row["kind"] == kind]
            start = f"| `{kind}` | {test} | {counts(of_kind)} "
            assert [line for line in README if line.startswith(start)], start
        assert f"| all | | {counts(rows)} |" in README
        assert any(line.startswith(f"| `behaviour.jsonl` | {len(rows)} ") for line in README)


class TestJudgement:
    def test_labels_must_all_be_right(self):
        pair = ["They agree on gas.", "He played the organ."]
        assert is_passed(pair, [["energy"], []])
        assert not is_passed(pair, [["energy"], ["trade"]])
        assert not is_passed(pair, [["energy", "trade"], []])
        assert not is_passed(pair, [[], ["energy"]])

    def test_invariant_tags_need_not_be_right(self):
        assert is_passed(["Armies train.", "ARMIES TRAIN."])
        assert is_passed(["A truce holds.", "A TRUCE HOLDS."])
        assert not is_passed(["Wheat tariffs fall.", "Wheet tarifs fall."])
        assert not is_passed(["Oil flows.", "Oil flows.", "Gas and wheat flow."])

    def test_wider_domains_play_no_part(self):
        tagger = load_fake_tagger(domains="core")
        outcome = behaviour.run_case(tagger, case(["They trade gas for military officers."]))
        assert outcome.tags == (frozenset({"energy", "trade", "security"}),)

    def test_each_text_is_tagged_alone(self):
        class Recorder:
            domains, calls = CORE, []

            def predict(self, texts):
                self.calls.append(texts)
                return [[False] * len(CORE)]

        behaviour.run_case(Recorder(), case(["One.", "Two."]))
        assert Recorder.calls == [["One."], ["Two."]]

    def test_examples_hold(self):
        assert doctest.testmod(behaviour).failed == 0


class TestMain:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch, tmp_path):
        """Three cases, a tagger of keywords and results elsewhere."""
        gas = case(["Gas for Rome.", "gas for Rome."], kind="case")
        organ = case(["An organ in Rome."], [[]], kind="list")
        extremes = case(["Extremists in Rome.", "Extremes in Rome."], [[], []], kind="list")
        monkeypatch.setattr(behaviour, "read_cases", lambda: [gas, organ, extremes])
        monkeypatch.setattr(behaviour, "_RESULTS", tmp_path / "behaviour.json")
        monkeypatch.setattr(Tagger, "load", load_fake_tagger)

    def test_writes_and_shows_counts_by_kind(self, tmp_path, capsys):
        assert behaviour.main([]) == 0
        report = json.loads((tmp_path / "behaviour.json").read_text(encoding="utf-8"))
        assert report["cases"] == 3
        assert report["kinds"] == {
            "case": {"cases": 1, "pass": {"default": 1, "baseline": 1}},
            "list": {"cases": 2, "pass": {"default": 1, "baseline": 1}},
        }
        published = json.loads(RESULTS.read_text(encoding="utf-8"))
        assert report.keys() == published.keys()
        shown = capsys.readouterr().out
        assert "1 of 2 (9–91 %)" in shown
        assert "Extremists" not in shown

    def test_lists_failures(self, capsys):
        assert behaviour.main(["--failures"]) == 0
        shown = capsys.readouterr().out
        assert "baseline fails\nb1 list, labels: a note\n" in shown
        assert "  [counter-terrorism, not none] Extremists in Rome.\n" in shown
        assert "  [none] Extremes in Rome.\n" in shown
        assert "Gas for Rome" not in shown

    def test_another_model_leaves_the_published_results_alone(self, tmp_path):
        (tmp_path / "mine").mkdir()
        sums = "aa  README.md\nbb  config.json\ncc  model.onnx\n"
        (tmp_path / "mine" / "SHA256SUMS").write_text(sums, encoding="utf-8")
        model, output = str(tmp_path / "mine"), tmp_path / "other.json"
        assert behaviour.main([model]) == 0
        assert not (tmp_path / "behaviour.json").exists()
        assert behaviour.main([model, "--output", str(output)]) == 0
        report = json.loads(output.read_text(encoding="utf-8"))
        assert report["models"][model] == {"config.json": "bb", "model.onnx": "cc"}
        assert report["kinds"]["case"]["pass"][model] == 1

    def test_a_model_that_does_not_load_is_told(self, monkeypatch, tmp_path, capsys):
        def load(model, **_):
            raise DiplomacyError(f"no model folder {model!r}")

        monkeypatch.setattr(Tagger, "load", load)
        assert behaviour.main([]) == 1
        assert capsys.readouterr().err == "error: no model folder 'default'\n"
        assert not (tmp_path / "behaviour.json").exists()


class TestResults:
    def test_they_are_of_the_cases(self, rows, results):
        assert results["sha256"] == hashlib.sha256(CASES.read_bytes()).hexdigest()
        assert results["cases"] == len(rows)
        counts = {kind: row["cases"] for kind, row in results["kinds"].items()}
        assert counts == Counter(row["kind"] for row in rows)
        for row in results["kinds"].values():
            assert row["pass"].keys() == set(SHIPPED_MODELS)
            assert all(0 <= n_passed <= row["cases"] for n_passed in row["pass"].values())

    @pytest.mark.parametrize("model", SHIPPED_MODELS)
    def test_they_are_of_the_shipped_models(self, results, model):
        # Else: python benchmarks/behaviour.py
        lines = (ROOT / "models" / model / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        assert results["models"][model]
        for name, checksum in results["models"][model].items():
            assert f"{checksum}  {name}" in lines

    @pytest.mark.parametrize(("model", "n_spare"), [("default", 2), ("baseline", 0)])
    @pytest.mark.parametrize("kind", ["contrast", "list"])
    def test_the_models_give_them_again(self, results, model, n_spare, kind):
        tagger = Tagger.load(model, domains="core")
        cases = [case for case in behaviour.read_cases() if case.kind == kind]
        n_passed = sum(behaviour.run_case(tagger, case).is_passed for case in cases)
        # Processors round the 8-bit sums of the default model in ways of their own.
        assert abs(n_passed - results["kinds"][kind]["pass"][model]) <= n_spare
