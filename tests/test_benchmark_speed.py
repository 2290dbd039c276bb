"""The speed benchmark: turns, processes, results, pictures; with systems that cost nothing."""

import gzip
import io
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_systems
import pytest
from made_up_results import made_up, made_up_speed
from rich.console import Console

from diplomacy_nlp.benchmark import worker
from diplomacy_nlp.benchmark.contestants import CONTESTANTS, PIPELINE, Job, find_contestants
from diplomacy_nlp.benchmark.loading import LOADERS
from diplomacy_nlp.benchmark.process import SystemProcess
from diplomacy_nlp.benchmark.results_file import read_speed, write_results
from diplomacy_nlp.benchmark.speed import run_speed
from diplomacy_nlp.benchmark.speed_chart import speed_quality_chart
from diplomacy_nlp.benchmark.speed_display import print_speed
from diplomacy_nlp.benchmark.speed_quality import speed_quality
from diplomacy_nlp.benchmark.speed_results import SpeedResults, SpeedRun, Timing
from diplomacy_nlp.benchmark.timed_texts import draw_sentences, read_sentences, window_tokens
from diplomacy_nlp.benchmark.timing import Latency, Measurement, Spread, take_turns, time_once
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import DomainSet
from diplomacy_nlp.errors import ConfigError, DataError
from diplomacy_nlp.model_files import find_model, read_model_config


@pytest.fixture
def labelled() -> Examples:
    rows = tuple(
        Example(f"{word} {number}", {name} if name else ())
        for number in range(20)
        for word, name in (("gas", "energy"), ("tariff", "trade"), ("talks", ""))
    )
    return Examples(DomainSet.of(["energy", "trade", "security"]), rows, "rows.jsonl")


class TestTiming:
    def test_all_at_once_then_one_by_one(self) -> None:
        calls: list[list[str]] = []
        clock = itertools.accumulate(itertools.cycle([1.0, 2.0]))
        measured = time_once(calls.append, ["a", "b"], ["b", "c"], clock=lambda: next(clock))
        assert measured == Measurement(2.0, (2.0, 2.0))
        assert calls == [["a", "b"], ["b"], ["c"]]

    def test_turns_begin_with_another_system_every_round(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("diplomacy_nlp.benchmark.timing._PAUSE_SECONDS", 0)
        calls: list[tuple[str, str, int]] = []

        class Noted:
            def __init__(self, name: str) -> None:
                self._name = name

            def measure(self, kind: str, number: int) -> Measurement:
                calls.append((self._name, kind, number))
                return Measurement(len(calls), (1.0,))

        measured = take_turns({name: Noted(name) for name in "abc"}, ["x", "y"], 3, pytest.fail)
        assert "".join(name for name, *_ in calls) == "abcabc" + "bcabca" + "cabcab"
        assert [number for *_, number in calls] == [0] * 6 + [1] * 6 + [2] * 6
        assert [one.seconds for one in measured["a"]["x"]] == [1, 9, 14]
        assert take_turns({}, ["x"], 2, pytest.fail) == {}

    def test_ratios_are_taken_within_a_round(self) -> None:
        rounds = [Measurement(seconds, (0.002, 0.004)) for seconds in (1.0, 4.0, 2.0)]
        pipeline = [Measurement(seconds, (1.0,)) for seconds in (8.0, 8.0, 10.0)]
        timing = Timing.of(rounds, pipeline, n_sentences=100, n_tokens=3000)
        assert timing.sentences_per_second == Spread(50.0, 25.0, 100.0)
        assert timing.tokens_per_second == Spread(1500.0, 750.0, 3000.0)
        assert timing.ratio_to_pipeline == Spread(5.0, 2.0, 8.0)
        assert timing.latency == Latency(3.0, 4.0)
        assert Timing.of(rounds, None, 100, 3000).ratio_to_pipeline is None


class TestWorker:
    def test_serves_until_its_input_ends(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        calls: list[list[str]] = []

        def load(source: str) -> Any:
            print("a library that talks", source)  # noqa: T201
            return calls.append

        sentences = tmp_path / "sentences.json"
        sentences.write_text(json.dumps({"labelled": ["a", "b", "c"]}))
        monkeypatch.setattr(worker, "LOADERS", {"words": load})
        monkeypatch.setattr(worker, "_N_SINGLES", 2)
        orders = [json.dumps({"kind": "labelled", "number": n}) for n in (0, 1)]
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(orders)))
        worker.main("words", "here", str(sentences))
        out, err = capsys.readouterr()
        assert err == "a library that talks here\n"
        ready, first, second, end = map(json.loads, out.splitlines())
        assert ready == {"ready": True}
        assert calls[1:] == [["a", "b", "c"], ["a"], ["b"], ["a", "b", "c"], ["c"], ["a"]]
        assert len(calls[0]) == 1
        assert [len(answer["latencies"]) for answer in (first, second)] == [2, 2]
        assert end["peak_mb"] > 10

    def test_says_what_cannot_be_loaded(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def load(_: str) -> Any:
            raise KeyError("a key\nand more")

        monkeypatch.setattr(worker, "LOADERS", {"words": load})
        worker.main("words", "here", "unread.json")
        assert json.loads(capsys.readouterr().out) == {"error": r"KeyError: 'a key\nand more'"}

    def test_a_process_loads_tags_and_ends(self, tmp_path: Path) -> None:
        sentences = tmp_path / "sentences.json"
        sentences.write_text(json.dumps({"running": ["They signed a gas deal."] * 50}))
        with SystemProcess("accurate", "default", sentences) as process:
            assert process.start_up_seconds > 0.05
            measured = process.measure("running", 0)
            assert len(measured.latencies) == 40
            assert 0 < min(measured.latencies) < measured.seconds
            peak_mb = process.finish()
        assert peak_mb is None or peak_mb > 50

    def test_a_process_that_ended_says_so(self, tmp_path: Path) -> None:
        sentences = tmp_path / "sentences.json"
        sentences.write_text(json.dumps({"running": ["Gas."]}))
        with SystemProcess("accurate", "default", sentences) as process:
            process._process.kill()
            process._process.wait()
            with pytest.raises(RuntimeError, match="its process ended with"):
                process.measure("running", 0)

    @pytest.mark.parametrize(
        ("name", "message"), [("accurate", "nowhere"), ("no-such-system", "KeyError")]
    )
    def test_a_process_that_fails_says_why(self, tmp_path: Path, name: str, message: str) -> None:
        with pytest.raises(RuntimeError, match=message):
            SystemProcess(name, str(tmp_path / "nowhere"), tmp_path / "none.json")


class TestContestants:
    def test_each_can_be_loaded(self) -> None:
        assert CONTESTANTS.keys() == LOADERS.keys()
        assert all(name == contestant.name for name, contestant in CONTESTANTS.items())

    def test_the_pipeline_is_always_there(self) -> None:
        assert find_contestants(None) == tuple(CONTESTANTS.values())
        assert [c.name for c in find_contestants(["spacy"])] == [PIPELINE, "spacy"]

    def test_a_peer_is_trained_and_saved(self, labelled: Examples, tmp_path: Path) -> None:
        spacy = CONTESTANTS["spacy"]
        with pytest.raises(ConfigError, match="needs labelled sentences"):
            spacy.prepare(Job("default", None, tmp_path))
        if spacy.missing_modules:
            pytest.skip("spacy is not installed")
        source = spacy.prepare(Job("default", (labelled, labelled), tmp_path))
        assert len(list(LOADERS["spacy"](source)(["gas"]))) == 1  # type: ignore[call-overload]


class TestTexts:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.txt", "One.\n\n Two. \r\n"),
            ("a.jsonl", '{"text": "One."}\n{"text": "Two.", "n": 1}\n'),
            ("a.jsonl.gz", '{"text": "One."}\n{"text": "Two."}'),
        ],
    )
    def test_read(self, tmp_path: Path, name: str, text: str) -> None:
        path, data = tmp_path / name, text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        assert read_sentences(path) == ["One.", "Two."]

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            ("none.txt", None, "none.txt: cannot be read: No such file"),
            ("a.txt", b" \n", "a.txt: there is no sentence"),
            ("a.txt", b"\xff", "a.txt: cannot be read: 'utf-8'"),
            ("a.txt.gz", b"no archive", "a.txt.gz: cannot be read"),
            ("a.jsonl", b'{"text": "a"}\n\n["b"]', "a.jsonl line 3: not a JSON object with a text"),
        ],
    )
    def test_unreadable(self, tmp_path: Path, name: str, data: bytes | None, message: str) -> None:
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=message):
            read_sentences(tmp_path / name)

    def test_drawn_at_random_and_always_the_same(self) -> None:
        sentences = [str(number) for number in range(50)]
        drawn = draw_sentences(sentences, 60)
        assert drawn == draw_sentences(sentences, 60)
        assert sorted(drawn[:50]) == sorted(sentences) != drawn[:50]
        assert drawn[:10] == drawn[50:] == draw_sentences(sentences, 10)

    def test_windows_hold_every_token_once(self) -> None:
        folder = find_model("default")
        config = read_model_config(folder)
        longest = config.max_length_tokens
        short, long = window_tokens(folder, config, ["gas"]), ["gas " * 3 * longest]
        assert short == [3]
        windows = window_tokens(folder, config, long)
        assert windows[:-1] == [longest] * (len(windows) - 1)
        assert sum(windows) - 2 * len(windows) == 3 * longest


class TestRun:
    @pytest.fixture(autouse=True)
    def systems(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_systems.install(monkeypatch, missing=("spacy",))

    def test_times_what_can_be_had_and_says_what_cannot(self, labelled: Examples) -> None:
        lines: list[str] = []
        results = run_speed(
            labelled, ["Parliament met."], n_sentences=8, n_rounds=2, progress=lines.append
        )
        [run] = results.runs
        assert [s.name for s in run.systems] == ["accurate", "fast", "pipeline", "baseline"]
        assert results.not_run == {
            "torch": "cannot be made ready",
            "setfit": "ValueError: it is broken",
            "model2vec": "ValueError: out of",
            "spacy": "not installed: no_such_module",
        }
        assert "spacy: skipped, not installed: no_such_module" in lines
        assert {kind: text["n_sentences"] for kind, text in results.texts.items()} == {
            "labelled": 8,
            "running": 8,
        }
        assert run.systems[0].timings["running"].seconds == (0.5, 1.0)
        assert run.systems[0].timings["running"].ratio_to_pipeline == Spread(8.0, 8.0, 8.0)
        assert (run.systems[0].start_up_seconds.median, run.systems[0].peak_mb) == (0.5, 100.0)
        assert run.n_rounds == 2
        assert "python" in run.versions
        assert run.roofline is not None
        assert 0 < run.roofline.share["labelled"] < 1

    def test_what_fails_in_a_round_is_passed_over(
        self, labelled: Examples, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(fake_systems.N_ROUNDS, "pipeline", 2)
        results = run_speed(labelled, n_sentences=8, n_rounds=3)
        [run] = results.runs
        assert [s.name for s in run.systems] == ["accurate", "fast", "baseline"]
        assert results.not_run["pipeline"] == "its process ended with -9: nothing said"
        assert run.systems[0].timings["labelled"].ratio_to_pipeline is None

    def test_another_environment_adds_to_the_file(
        self, labelled: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        output = tmp_path / "speed.json"
        options: dict[str, Any] = {"n_sentences": 8, "n_rounds": 1, "output": output}
        first = run_speed(labelled, **options)
        assert read_speed(output).to_dict() == first.to_dict()
        fake_systems.install(monkeypatch)
        lines: list[str] = []
        second = run_speed(labelled, progress=lines.append, **options)
        assert [[s.name for s in run.systems] for run in second.runs] == [
            ["accurate", "fast", "pipeline", "baseline"],
            ["pipeline", "spacy"],
        ]
        assert second.not_run.keys() == {"torch", "setfit", "model2vec"}
        assert second.runs[1].roofline is None
        assert not any(line.startswith(("accurate", "baseline")) for line in lines)

    def test_what_is_named_is_timed_anew(self, labelled: Examples, tmp_path: Path) -> None:
        output = tmp_path / "speed.json"
        options: dict[str, Any] = {"n_sentences": 8, "output": output}
        run_speed(labelled, n_rounds=1, **options)
        again = run_speed(labelled, systems=["fast"], n_rounds=2, **options)
        assert [[s.name for s in run.systems] for run in again.runs] == [
            ["accurate", "pipeline", "baseline"],
            ["fast", "pipeline"],
        ]

    def test_a_file_of_other_sentences_is_left_alone(
        self, labelled: Examples, tmp_path: Path
    ) -> None:
        output = tmp_path / "speed.json"
        results = run_speed(labelled, n_sentences=8, n_rounds=1, output=output)
        before = output.read_bytes()
        with pytest.raises(DataError, match=r"speed\.json: holds the results of other sentences"):
            run_speed(labelled, n_sentences=9, n_rounds=1, output=output)
        assert output.read_bytes() == before
        write_results(output, replace(results, model={"name": "default", "sha256": "other"}))
        with pytest.raises(DataError, match="holds the results of another model"):
            run_speed(labelled, n_sentences=8, n_rounds=1, output=output)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"systems": ["bert"]}, "unknown system 'bert'. Valid: accurate, fast, pipeline"),
            ({"systems": []}, "there is no system to time"),
            ({"n_rounds": 0}, "n_rounds 0"),
            ({"model": "baseline"}, "baseline is a baseline"),
            ({"labelled": None}, "there are no sentences to time"),
        ],
    )
    def test_what_cannot_be_run(
        self, labelled: Examples, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            run_speed(**{"labelled": labelled, **options})

    def test_nothing_that_works_is_no_failure(
        self, labelled: Examples, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake_systems.install(monkeypatch, missing=("pipeline", "spacy"))
        results = run_speed(labelled, systems=["spacy"], n_sentences=8, n_rounds=1)
        assert results.runs == ()
        assert results.not_run.keys() == {"pipeline", "spacy"}


class TestResults:
    def test_survive_json(self) -> None:
        results = made_up_speed()
        kept = SpeedResults.from_dict(json.loads(json.dumps(results.to_dict())))
        assert kept.to_dict() == results.to_dict()
        assert kept == SpeedResults.from_dict(kept.to_dict())
        assert kept.roofline is not None

    def test_pipeline_of_the_first_run_is_shown(self) -> None:
        results = made_up_speed()
        pipeline, spacy = results.find(PIPELINE), results.find("spacy")
        assert pipeline is not None
        assert pipeline.timings["running"].seconds == (1.0, 1.0)
        # To the pipeline of its own run.
        assert spacy is not None
        assert spacy.timings["running"].ratio_to_pipeline == Spread(40.0, 40.0, 40.0)
        assert results.find("setfit") is None

    def test_ratios_only_within_a_run(self) -> None:
        results = made_up_speed()
        assert results.ratio("fast", "accurate", "running") == Spread(5.0, 5.0, 5.0)
        assert results.ratio("spacy", "accurate", "running") is None

    def test_a_run_takes_the_place_of_older_timings(self) -> None:
        results = made_up_speed()
        first, second = results.runs
        assert results.with_run(second, {}).runs == (first, second)
        assert results.with_run(first, {}).runs == (second, first)
        assert results.with_run(SpeedRun((), 1), {"fast": "gone"}) == results

    @pytest.mark.parametrize("text", ["{}", "[]", '{"format_version": 9}', "no JSON"])
    def test_something_else_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "speed.json"
        path.write_text(text)
        with pytest.raises(DataError, match="not the results of a speed benchmark"):
            read_speed(path)


def test_tables() -> None:
    stream = io.StringIO()
    results = made_up_speed()
    print_speed(results, Console(file=stream, width=100))
    printed = stream.getvalue()
    assert "running sentences  100 sentences, 3,000 tokens" in printed
    [row, *_] = [line for line in printed.splitlines() if line.startswith("TF-IDF")]
    assert row.split()[-5:] == ["22,500", "225.0", "675,000", "0.1", "0.1"]
    assert "diplomacy_nlp, accurate: 50 % (labelled), 50 % (running)" in printed
    assert "Not run: setfit: not installed: setfit" in printed


class TestSpeedQuality:
    def test_scores_of_the_tiers_and_of_what_was_trained(self) -> None:
        quality = made_up(("diplomacy_nlp", "spacy", "baseline"))
        [default] = quality.models
        points = speed_quality(made_up_speed(), quality, "running", "test")
        scores = {point.name: point.macro_f1.median for point in points}
        # The mean of three seeds.
        assert scores == {
            "accurate": 0.9,
            "spacy": pytest.approx(0.78),
            "baseline": pytest.approx(0.75),
        }
        assert points[0].macro_f1 == Spread(0.9, pytest.approx(0.85), pytest.approx(0.95))
        quality = quality.with_model(replace(default, name="default, fp32"))
        quality = quality.with_model(replace(default, name="default, fast"))
        more = speed_quality(made_up_speed(), quality, "running", "test")
        assert [p.name for p in more] == ["accurate", "fast", "pipeline", "spacy", "baseline"]

    def test_another_model_is_shown_by_what_was_trained(self) -> None:
        speed = replace(made_up_speed(), model={"name": "mine", "sha256": "2"})
        points = speed_quality(speed, made_up(), "labelled", "test")
        assert [point.name for point in points] == ["accurate", "baseline"]
        assert math.isclose(points[0].macro_f1.median, 0.81)

    def test_chart_is_the_same_for_the_same_results(self) -> None:
        points = speed_quality(made_up_speed(), made_up(), "running", "test")
        svg = speed_quality_chart(points, "running", "test")
        assert svg == speed_quality_chart(points, "running", "test")
        for text in ("diplomacy_nlp", "accurate", "macro F1 on test", "1,000"):
            assert f">{text}</text>" in svg
        assert "sentences of running text a second" in svg
        assert svg != speed_quality_chart(points, "labelled", "test")
        with pytest.raises(DataError, match="no system with both"):
            speed_quality_chart([], "running", "test")
