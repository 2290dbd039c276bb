"""The card of a model: what it is, what it was trained on and how well it does."""

from collections.abc import Iterator, Mapping
from typing import Any

from diplomacy_nlp.model_files import ModelConfig

__all__ = ["RELIABILITY_PICTURE", "RISK_COVERAGE_PICTURE", "model_card", "with_fast_tier"]

#: The pictures that stand beside the card.
RELIABILITY_PICTURE = "reliability.svg"
RISK_COVERAGE_PICTURE = "risk_coverage.svg"

_INTENDED_USE = """\
The model reads one sentence at a time and tags the domains that the sentence brings up as its
training data understand them. It is made for research and for a first reading of many documents:
a person should look before anything rests on a single tag.

It does not know what the rest of the text says, does not judge whether a statement is true, and
is not made for decisions about persons. It knows the languages, the kinds of text and the years of
its training data and its base encoder; on others it may do worse than the scores below."""

_SCORES = """\
F1 and the macro averages have 95 % bootstrap intervals by document in brackets. "Baseline" is the
F1 of TF-IDF with logistic regression, trained on the same rows. Thresholds and calibration were
fitted on dev, so that the scores there flatter the model."""

_CALIBRATION = f"""\
Of the sentences to which a domain is given with a probability of .7, about seven in ten should have
it. Where that holds the points lie on the diagonal; each has about the same number of sentences.
The calibration error of the tables above is their mean distance from it.

![Share of labelled sentences over probability]({RELIABILITY_PICTURE})

Where the most confident sentences are taken as they are and a person reads the others, this share
of those taken has a wrong tag or lacks a right one:

![Share of sentences tagged wrong over share kept]({RISK_COVERAGE_PICTURE})

Probabilities were fitted on dev. For text unlike it, compare them with labels of your own before
reading them as frequencies, and set thresholds on these."""

_FAST_TIER_HEADING = "\n## Fast tier\n"

_FAST_TIER = """\
With `tier="fast"` a small convolutional network answers where it is sure, and the encoder reads
the rest. The network learned what the encoder says of {n_learned} unlabelled sentences. Of
{n_held_out} others it passes on {passed_on:.1%}, for the domains that are tagged by default; for
more domains, and on text that is dense in them, it passes on more. The tier has the thresholds of
the accurate one."""

# What a busy core is taken to draw, for lack of a measurement; server cores draw less.
_WATTS_PER_CORE = 15

Scores = Mapping[str, Any]


def model_card(name: str, config: ModelConfig, metrics: Scores, notes: str = "") -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    name : str
        Its title.
    config : ModelConfig
        What ``config.json`` says.
    metrics : mapping
        What ``metrics.json`` says.
    notes : str
        Markdown about the data and the model that only those know who made them.
    """
    lines = [
        f"# {name}",
        "",
        f"{_what_it_is(config)} It tags {', '.join(config.default_domains)} unless told otherwise.",
        "",
        "```python",
        "from diplomacy_nlp import Tagger",
        "",
        f'tagger = Tagger.load("{name}")',
        "```",
        "",
        "## Intended use and limits",
        "",
        _INTENDED_USE,
        "",
        *([notes.strip(), ""] if notes.strip() else []),
        "## Domains",
        "",
        *_domain_lines(config),
        "",
        "## Scores",
        "",
        _SCORES,
        *_score_lines(metrics),
        *_other_domain_lines(config, metrics),
        "",
        "## Calibration",
        "",
        _CALIBRATION,
        "",
        "## Training",
        "",
        *_training_lines(config, metrics),
    ]
    return "\n".join(lines) + "\n"


def with_fast_tier(card: str, metrics: Scores) -> str:
    """Return a card with a section on the fast tier at its end, in the place of an older one."""
    tier = metrics["fast_tier"]
    lines = [
        card.partition(_FAST_TIER_HEADING)[0].rstrip("\n"),
        _FAST_TIER_HEADING,
        _FAST_TIER.format(
            n_learned=tier["n_unlabelled"] - tier["n_held_out"],
            n_held_out=tier["n_held_out"],
            passed_on=tier["passed_on_share"],
        ),
        "",
        "| macro-F1 | accurate | fast | largest calibration error, accurate | fast |",
        "|---|--:|--:|--:|--:|",
        *(
            _row([name, *_costs(metrics["scores"][name], scores)], None)
            for name, scores in tier["scores"].items()
            if name in metrics["scores"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _costs(accurate: Scores, fast: Scores) -> Iterator[str]:
    for scores in (accurate, fast):
        yield _with_interval(scores["macro_f1"]["value"], scores["macro_f1"]["interval"])
    for scores in (accurate, fast):
        errors = [row["calibration_error"] for row in scores["domains"].values()]
        yield _number(max((error for error in errors if error is not None), default=None))


def _what_it_is(config: ModelConfig) -> str:
    relation = " and the relation of each sentence" if config.has_relation else ""
    kind = (
        "TF-IDF of words and word pairs with one logistic regression a domain"
        if config.backend == "skops"
        else f"{config.base_model}, fine-tuned and quantised to int8"
    )
    return f"{kind}: {len(config.domains)} domains{relation}."


def _domain_lines(config: ModelConfig) -> Iterator[str]:
    yield "| domain | threshold | definition |"
    yield "|---|--:|---|"
    thresholds = config.calibration.thresholds
    for domain, threshold in zip(config.domains, thresholds, strict=True):
        references = f" ({'; '.join(domain.references)})" if domain.references else ""
        yield _row([domain.name, f"{threshold:.3f}", domain.definition + references], None)


def _score_lines(metrics: Scores) -> Iterator[str]:
    for name, scores in metrics["scores"].items():
        baseline = metrics["baseline_scores"].get(name)
        yield from ("", f"### {name}: {scores['n_sentences']} sentences", "")
        yield "| domain | precision | recall | F1 | average precision | calibration error |" + (
            " positives | baseline |" if baseline else " positives |"
        )
        yield "|---|--:|--:|--:|--:|--:|--:|" + ("--:|" if baseline else "")
        for domain, row in scores["domains"].items():
            cells = [
                domain,
                _number(row["precision"]),
                _number(row["recall"]),
                _with_interval(row["f1"], row["f1_interval"]),
                _number(row["average_precision"]),
                _number(row["calibration_error"]),
                str(row["support"]),
            ]
            yield _row(cells, baseline and _number(baseline["domains"][domain]["f1"]))
        yield _row(
            [
                "macro",
                "",
                "",
                _with_interval(scores["macro_f1"]["value"], scores["macro_f1"]["interval"]),
                _number(scores["macro_average_precision"]["value"]),
                "",
                "",
            ],
            baseline and _number(baseline["macro_f1"]["value"]),
        )
        if scores["relation_macro_f1"]:
            relation = scores["relation_macro_f1"]
            shown = _with_interval(relation["value"], relation["interval"])
            yield from ("", f"Macro-F1 of the relation: {shown}.")


def _other_domain_lines(config: ModelConfig, metrics: Scores) -> Iterator[str]:
    """Yield the scores of the domains that are not tagged unless asked for."""
    others = [name for name in config.domains.names if name not in config.default_domains]
    sets = metrics["scores_of_all_domains"]
    if not others:
        return
    yield from ("", "### On request", "")
    yield "F1 with its interval, and the number of positives. Where these are few, little is known."
    yield from ("", "| domain |" + "".join(f" {name} |" for name in sets))
    yield "|---|" + "--:|" * len(sets)
    for domain in others:
        rows = (scores["domains"].get(domain) for scores in sets.values())
        cells = (
            f"{_with_interval(row['f1'], row['f1_interval'])} of {row['support']}" if row else "–"
            for row in rows
        )
        yield _row([domain, *cells], None)


def _training_lines(config: ModelConfig, metrics: Scores) -> Iterator[str]:
    data, machine = metrics["data"], metrics["machine"]
    yield (
        f"- {data['n_train']} sentences for training, {data['n_per_set']['dev']} for dev "
        f"(SHA-256 of all: `{data['sha256']}`)"
    )
    teachers = ", without the training of its teachers" if metrics["unlabelled"] else ""
    yield (
        f"- {metrics['training_seconds']} seconds on {machine['n_cores']} cores "
        f"({machine['architecture']}), in which the cores were busy for "
        f"{metrics['training_cpu_seconds']} seconds in all{teachers}"
    )
    yield f"- {_energy(metrics)}"
    if "parity" in metrics:
        parity = metrics["parity"]
        yield (
            f"- macro-F1 on dev: {parity['onnx_int8_dev_macro_f1']:.4f} in int8, "
            f"{parity['torch_fp32_dev_macro_f1']:.4f} in fp32"
        )
    recipe = metrics["recipe"]
    keys = recipe if config.backend == "onnx" else ("dev_share", "test_share", "seed")
    yield "- recipe: " + ", ".join(f"{key} `{recipe[key]}`" for key in keys)
    yield "- versions: " + ", ".join(f"{name} {v}" for name, v in metrics["versions"].items())


def _energy(metrics: Scores) -> str:
    if metrics.get("device", "cpu") != "cpu":
        return "energy: not measured"
    kilowatt_hours = metrics["training_cpu_seconds"] * _WATTS_PER_CORE / 3.6e6
    return (
        f"energy: not measured; at {_WATTS_PER_CORE} W for each busy core, an assumption, it would "
        f"be {kilowatt_hours:.2g} kWh"
    )


def _row(cells: list[str], baseline: str | None) -> str:
    return "| " + " | ".join(map(_cell, cells + ([baseline] if baseline else []))) + " |"


def _cell(text: str) -> str:
    # Names and definitions are the user's own, and may hold what Markdown's tables are made of.
    return " ".join(text.split()).replace("|", "\\|")


def _with_interval(value: float | None, interval: Mapping[str, float | None]) -> str:
    if value is None or interval["low"] is None:
        return _number(value)
    return f"{_number(value)} [{_number(interval['low'])}, {_number(interval['high'])}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
