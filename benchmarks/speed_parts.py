"""What documents say of the speed benchmark."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parts import spread_cell, table

from diplomacy_nlp.benchmark.contestants import CONTESTANTS
from diplomacy_nlp.benchmark.speed_results import SpeedResults, SpeedRun, SystemSpeed
from diplomacy_nlp.benchmark.timing import Spread

__all__ = ["speed_details_part", "speed_part"]

_KINDS = {
    "labelled": "sentences chosen for what they say of states",
    "running": "sentences of whole documents",
}


def speed_part(speed: SpeedResults, cold: Mapping[str, Any]) -> str:
    """Return how fast the tiers are beside other systems, and how soon the first answer comes.

    Parameters
    ----------
    speed : SpeedResults
        Of ``results/speed.json``.
    cold : mapping
        ``results/cold_start.json``.
    """
    headings = [
        heading
        for kind in speed.kinds
        for heading in (f"{kind}: sentences per second", "times the pipeline")
    ]
    rows = [
        [CONTESTANTS[system.name].title, *_speeds(system, speed.kinds)]
        for system in _systems(speed)
    ]
    n_sentences = max(text["n_sentences"] for text in speed.texts.values())
    kinds = " and ".join(f"`{kind}` are {_KINDS[kind]}" for kind in speed.kinds)
    tag = cold["commands"]["tag"]
    return (
        table(["", *headings], rows)
        + f"\nThe median of {_rounds(speed.runs)} rounds over {n_sentences:,} sentences of each "
        "kind, with the smallest and the largest, on "
        f"{_machines(speed.runs)}; {kinds}. From a cold start, "
        f"`diplomacy-nlp tag examples/summit.txt` takes {spread_cell(tag['seconds'], 2)} seconds "
        f"and {tag['peak_mb']['median']:.0f} MB.{_missing(speed)} [How, and what else it takes]"
        "(docs/benchmarks.md#speed).\n\n![Speed and quality](docs/speed-quality.svg)\n"
    )


def speed_details_part(speed: SpeedResults) -> str:
    """Return tokens a second, latency, start-up and memory of all systems, and the roofline.

    Parameters
    ----------
    speed : SpeedResults
        Of ``results/speed.json``.
    """
    texts = ["![Speed and quality](speed-quality.svg)\n"]
    systems = _systems(speed)
    for kind, text in speed.texts.items():
        rows = [[CONTESTANTS[s.name].title, *_details(s, kind)] for s in systems]
        texts.append(
            table([f"`{kind}`", "tokens per second", "one sentence: median ms", "95 %"], rows)
        )
        n_tokens = text["n_tokens"] / text["n_sentences"]
        texts.append(
            f"{text['n_sentences']:,} {_KINDS[kind]}, of {n_tokens:.1f} tokens on average.\n"
        )
    rows = [[CONTESTANTS[s.name].title, *_process(s)] for s in systems]
    texts.append(table(["process", "seconds to the first answer", "peak MB"], rows))
    texts += [f"{line}\n" for line in _roofline(speed)]
    texts.append("".join(f"- {line}\n" for line in _remarks(speed)))
    return "\n".join(texts)


def _systems(speed: SpeedResults) -> list[SystemSpeed]:
    found = (speed.find(name) for name in CONTESTANTS)
    return [system for system in found if system is not None]


def _speeds(system: SystemSpeed, kinds: Sequence[str]) -> Iterable[str]:
    for kind in kinds:
        timing = system.timings[kind]
        yield _cell(timing.sentences_per_second, 0)
        yield _cell(timing.ratio_to_pipeline, 1)


def _details(system: SystemSpeed, kind: str) -> tuple[str, ...]:
    timing = system.timings[kind]
    latency = timing.latency
    return _cell(timing.tokens_per_second, 0), f"{latency.p50_ms:.1f}", f"{latency.p95_ms:.1f}"


def _process(system: SystemSpeed) -> tuple[str, str]:
    peak = "–" if system.peak_mb is None else f"{system.peak_mb:,.0f}"
    return _cell(system.start_up_seconds, 2), peak


def _cell(spread: Spread | None, n_digits: int) -> str:
    if spread is None:
        return "–"
    return spread_cell({"low": spread.low, "median": spread.median, "high": spread.high}, n_digits)


def _rounds(runs: Iterable[SpeedRun]) -> str:
    return " or ".join(map(str, sorted({run.n_rounds for run in runs})))


def _machines(runs: Iterable[SpeedRun]) -> str:
    machines = {f"{run.machine['n_cores']} cores ({run.machine['processor']})" for run in runs}
    return " and ".join(sorted(machines))


def _missing(speed: SpeedResults) -> str:
    left_out = [CONTESTANTS[name].title for name in CONTESTANTS if name in speed.not_run]
    return f" Not timed: {', '.join(left_out)}." if left_out else ""


def _roofline(speed: SpeedResults) -> Iterable[str]:
    roofline = speed.roofline
    if roofline is None:
        return
    peaks = (
        f"Large matrix products in onnxruntime reach {roofline.int8_per_second / 1e9:,.0f} "
        f"billion multiply-adds a second in int8 and {roofline.fp32_per_second / 1e9:,.0f} "
        f"in fp32 on this machine, one on each core ({roofline.n_threads})."
    )
    for kind, work in roofline.work.items():
        n_sentences = speed.texts[kind]["n_sentences"]
        peaks += (
            f" A `{kind}` sentence takes the accurate tier {work.int8 / n_sentences / 1e6:,.0f} "
            f"million in int8 and {work.fp32 / n_sentences / 1e6:,.1f} million in fp32 at least: "
            f"it reaches {100 * roofline.share[kind]:.0f} % of that peak."
        )
    yield peaks


def _remarks(speed: SpeedResults) -> Iterable[str]:
    """Yield a line on each run, and on what was not run."""
    for run in speed.runs:
        names = "; ".join(CONTESTANTS[system.name].title for system in run.systems)
        versions = ", ".join(f"{package} {version}" for package, version in run.versions.items())
        settings = "".join(f", `{name}={value}`" for name, value in run.settings.items())
        load = "" if run.load_average is None else f", load {run.load_average:.1f} before"
        yield f"{names}: {_machines([run])}{load}{settings}; {versions}."
    for name, reason in speed.not_run.items():
        yield f"Not timed: {CONTESTANTS[name].title}: {reason}."
