"""A page that shows how good a tagger is: one file, which needs no network and no scripts."""

import math
from importlib.resources import files
from pathlib import Path

from diplomacy_nlp import __version__
from diplomacy_nlp.assessment import Assessment
from diplomacy_nlp.bootstrap import Interval
from diplomacy_nlp.charts import DARK_STYLE
from diplomacy_nlp.curves import risk_coverage
from diplomacy_nlp.errors import DataError, MissingExtraError
from diplomacy_nlp.output import open_output
from diplomacy_nlp.report.content import charts, data_name, score_rows, worst

try:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup
except ImportError as error:
    raise MissingExtraError("A report", "report") from error

__all__ = ["check_report_folder", "render_report", "write_report"]

_N_WORST = 50
# Shares of the sentences in the table beside the curve of risk over coverage.
_COVERAGES = (0.5, 0.8, 0.9, 1.0)


def check_report_folder(folder: Path) -> None:
    """Refuse a folder in which no report can be written, before any work is done.

    Raises
    ------
    DataError
        Something that is no folder stands there.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; a report needs a folder")


def write_report(assessment: Assessment, folder: str | Path) -> Path:
    """Write a page that shows how good a tagger is.

    Parameters
    ----------
    assessment : Assessment
        As of :func:`diplomacy_nlp.assessment.assess`.
    folder : str or Path
        Where to; it is made where it is missing, and an older page there is replaced.

    Returns
    -------
    Path
        The page, ``index.html``.

    Raises
    ------
    DataError
        Something that is no folder stands there, or it cannot be written.
    """
    folder = Path(folder)
    check_report_folder(folder)
    page = render_report(assessment)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made: {error.strerror}") from error
    path = folder / "index.html"
    with open_output(path) as file:
        file.write(page)
    return path


def render_report(assessment: Assessment) -> str:
    """Return the page as HTML; the same numbers give the same page."""
    here = files(__name__)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": _number,
        "signed": _signed,
        "percent": _percent,
        "interval": _interval,
        "signed_interval": _signed_interval,
    }
    template = environment.from_string((here / "page.html").read_text(encoding="utf-8"))
    drawn = {name: Markup(svg) for name, svg in charts(assessment).items()}  # noqa: S704 (ours)
    curves = [
        risk_coverage(tagged.labels, tagged.tags, tagged.probabilities, tagged.thresholds)
        for tagged in (measured.tagged for measured in assessment.measured)
    ]
    return template.render(
        assessment=assessment,
        charts=drawn,
        coverages=_COVERAGES,
        curves=curves,
        data_name=data_name(assessment),
        n_wrong=int(assessment.tagger.tagged.is_wrong.sum()),
        rows=score_rows(assessment),
        style=Markup((here / "page.css").read_text(encoding="utf-8") + DARK_STYLE),  # noqa: S704
        version=__version__,
        worst=worst(assessment, _N_WORST),
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.3f}".replace("-", "−")


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def _interval(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"{interval.low:.3f}–{interval.high:.3f}"


def _signed_interval(interval: Interval) -> str:
    if math.isnan(interval.low):
        return ""
    return f"{_signed(interval.low)} to {_signed(interval.high)}"
