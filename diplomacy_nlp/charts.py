"""Charts of scores and curves as SVG: small, the same for the same numbers, light and dark.

Text stays text. Colours are those of a light page; :data:`DARK_STYLE` turns them for a dark one,
and stands in every picture that is a file of its own.
"""

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diplomacy_nlp.bootstrap import Score
from diplomacy_nlp.curves import (
    ReliabilityCurve,
    RiskCoverage,
    reliability_curve,
    risk_coverage,
)
from diplomacy_nlp.errors import MissingExtraError
from diplomacy_nlp.tagged_examples import TaggedExamples

try:
    import matplotlib as mpl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
except ImportError as error:
    raise MissingExtraError("Drawing charts", "report") from error

__all__ = [
    "CHART_SETTINGS",
    "DARK_STYLE",
    "chart_svg",
    "difference_chart",
    "reliability_chart",
    "risk_coverage_chart",
    "score_chart",
    "standalone",
]

_INK, _MUTED, _GRID = "#24292f", "#6e7781", "#d8dee4"
# Blue and orange, which differ for colour-blind eyes too, and in grey.
_SERIES = ("#1f5fa8", "#d9822b", "#5a8f3d", "#9a5fb0")
_DARK_OF_LIGHT = {
    _INK: "#e6edf3",
    _MUTED: "#9198a1",
    _GRID: "#3d444d",
    **dict(zip(_SERIES, ("#6cb0ff", "#f0a860", "#95cc78", "#cf9be3"), strict=True)),
}

_DARK = "@media screen and (prefers-color-scheme: dark)"

#: Style rules for a dark page; of no effect on paper.
DARK_STYLE = (
    f"{_DARK}{{"
    + "".join(
        f'svg [style*="{part}: {light}"]{{{part}:{dark}!important}}'
        for light, dark in _DARK_OF_LIGHT.items()
        for part in ("fill", "stroke")
    )
    + "}"
)

_WIDTH_INCHES = 8.6
_MAX_PANELS_ABREAST = 4
_PALE = 0.3
#: How charts look, in matplotlib's terms.
CHART_SETTINGS: dict[Any, Any] = {
    "axes.edgecolor": _GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": _MUTED,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": _INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.size": 9.5,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "lines.markeredgewidth": 0,
    "legend.frameon": False,
    "path.simplify_threshold": 0.2,
    "svg.fonttype": "none",
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _MUTED,
    "xtick.major.size": 0,
    "ytick.color": _INK,
    "ytick.major.size": 0,
}
# A curve has one point a sentence; more than this cannot be told apart.
_MAX_POINTS = 300

_Floats: TypeAlias = NDArray[np.float64]


def score_chart(names: Sequence[str], series: Mapping[str, Sequence[Score]]) -> str:
    """Draw scores in [0, 1] as bars, with their intervals.

    Parameters
    ----------
    names : sequence of str, length n
        What was scored, from the top.
    series : mapping of str to sequence of Score
        The n scores of each series, such as a model; one that is nan gets no bar, and one without
        an interval a pale one. Four at most.

    Returns
    -------
    str
        One ``svg`` element.
    """
    height = 0.8 / max(len(series), 1.4)
    with mpl.rc_context(CHART_SETTINGS):
        figure, axes = _rows(names, len(series))
        bars = []
        for number, (scores, colour) in enumerate(zip(series.values(), _SERIES, strict=False)):
            values, low, high = _columns(scores)
            rows = np.arange(len(names)) + height * (number - (len(series) - 1) / 2)
            bars.append(axes.barh(rows, values, height * 0.84, color=colour, alpha=0.85))
            for bar in np.array(bars[-1])[np.isnan(low)]:
                bar.set_alpha(_PALE)
            axes.hlines(rows, low, high, color=_INK, linewidth=1.3)
            for row, value, end in zip(rows, values, np.fmax(values, high), strict=True):
                if not np.isnan(value):
                    _write(axes, end + 0.012, row, f"{value:.3f}")
        axes.set_xlim(0, 1.09)
        axes.set_xticks(np.linspace(0, 1, 6))
        if len(series) > 1:
            _legend_above(figure, bars, series)
        return chart_svg(figure, "Scores", names)


def difference_chart(names: Sequence[str], differences: Sequence[Score]) -> str:
    """Draw differences of scores as points with their intervals, beside a line at 0.

    Parameters
    ----------
    names : sequence of str, length n
        What was scored, from the top.
    differences : sequence of Score, length n
        In [-1, 1]; one that is nan gets no point.

    Returns
    -------
    str
        One ``svg`` element.
    """
    values, low, high = _columns(differences)
    rows = np.arange(len(names), dtype=np.float64)
    # 0 is always there, and so is some room.
    least, most = np.nanmin([*low, *values, -0.005]), np.nanmax([*high, *values, 0.005])
    margin = 0.03 * (most - least)
    with mpl.rc_context(CHART_SETTINGS):
        figure, axes = _rows(names, 1)
        axes.axvline(0, color=_MUTED, linewidth=1.2)
        axes.hlines(rows, low, high, color=_SERIES[0], linewidth=2.4)
        axes.plot(values, rows, "o", color=_SERIES[0], markersize=6)
        for row, value, end in zip(rows, values, np.fmax(values, high), strict=True):
            if not np.isnan(value):
                _write(axes, end + margin / 2, row, f"{value:+.3f}".replace("-", "−"))
        axes.set_xlim(least - margin, most + 4 * margin)
        return chart_svg(figure, "Differences", names)


def reliability_chart(series: Mapping[str, TaggedExamples]) -> str:
    """Draw a reliability diagram of each domain.

    Points on the diagonal are well calibrated; the bars are 95 % intervals of the shares, as of
    :class:`diplomacy_nlp.curves.ReliabilityCurve`.

    Parameters
    ----------
    series : mapping of str to TaggedExamples
        By name, such as that of a data set or of a model, all of the same domains. Four at most.

    Returns
    -------
    str
        One ``svg`` element.
    """
    domains = next(iter(series.values())).examples.domains.names
    n_columns = min(len(domains), _MAX_PANELS_ABREAST)
    n_rows = -(-len(domains) // n_columns)
    side = _WIDTH_INCHES / _MAX_PANELS_ABREAST
    size = (side * n_columns, (side + 0.15) * n_rows + 0.5)
    with mpl.rc_context(CHART_SETTINGS):
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.06))
        grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
        for column, (axes, domain) in enumerate(zip(grid.flat, domains, strict=False)):
            curves = [
                reliability_curve(tagged.labels[:, column], tagged.probabilities[:, column])
                for tagged in series.values()
            ]
            lines = _reliability_panel(axes, domain, curves)
        for axes in grid.flat[len(domains) :]:
            axes.set_visible(False)
        for axes in grid.flat[len(domains) - n_columns : len(domains)]:
            axes.tick_params(labelbottom=True)  # also where the row below is not full
        figure.supxlabel("probability", color=_MUTED, fontsize=9.5)
        figure.supylabel("share labelled", color=_MUTED, fontsize=9.5)
        if len(series) > 1:
            _legend_above(figure, lines, series)
        return chart_svg(figure, "Reliability diagrams", series)


def _reliability_panel(axes: Axes, title: str, curves: Sequence[ReliabilityCurve]) -> list[Artist]:
    axes.plot([0, 1], [0, 1], color=_MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    lines: list[Artist] = []
    for curve, colour in zip(curves, _SERIES, strict=False):
        x, y = curve.mean_probabilities, curve.shares_positive
        axes.vlines(x, curve.low, curve.high, color=colour, linewidth=0.9, alpha=0.5)
        lines += axes.plot(x, y, "o-", color=colour, linewidth=1.2, markersize=3.2)
    axes.set_title(title)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.tick_params(axis="y", colors=_MUTED)
    return lines


def risk_coverage_chart(series: Mapping[str, TaggedExamples]) -> str:
    """Draw the share of sentences tagged wrong over the share that is kept.

    Parameters
    ----------
    series : mapping of str to TaggedExamples
        By name, such as that of a data set or of a model. Four at most.

    Returns
    -------
    str
        One ``svg`` element.
    """
    curves = [
        risk_coverage(tagged.labels, tagged.tags, tagged.probabilities, tagged.thresholds)
        for tagged in series.values()
    ]
    with mpl.rc_context(CHART_SETTINGS):
        figure = Figure(figsize=(_WIDTH_INCHES, 3.1), layout="constrained")
        axes = figure.subplots()
        lines: list[Artist] = []
        for curve, colour in zip(curves, _SERIES, strict=False):
            lines += axes.plot(*_thinned(curve), color=colour, linewidth=1.8)
        # One wrong sentence among the first few would else set the scale.
        highest = max(curve.risks[len(curve.risks) // 20 :].max() for curve in curves)
        axes.set(xlim=(0, 1), ylim=(0, max(1.1 * highest, 0.01)))
        axes.set_xlabel("sentences kept, the most confident first")
        axes.set_ylabel("of these, tagged wrong")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        axes.tick_params(axis="y", colors=_MUTED)
        named = [
            f"{name} (area {curve.area:.3f})" for name, curve in zip(series, curves, strict=True)
        ]
        _legend_above(figure, lines, named)
        return chart_svg(figure, "Risk over coverage", series)


def _thinned(curve: RiskCoverage) -> tuple[_Floats, _Floats]:
    n = len(curve.coverages)
    kept = np.unique(np.linspace(0, n - 1, min(n, _MAX_POINTS)).round().astype(np.intp))
    return curve.coverages[kept], curve.risks[kept]


def standalone(svg: str) -> str:
    """Return a chart as the text of an SVG file, which follows its viewer into the dark."""
    # With a ground of its own, since the page around it may be light where the viewer is dark.
    dark_ground = f"{_DARK}{{svg{{background:#0d1117}}}}"
    style = f"<style>svg{{background:#ffffff}}{dark_ground}{DARK_STYLE}</style>"
    return re.sub(r"(<svg [^>]*>)", rf"\1{style}", svg, count=1) + "\n"


def _rows(names: Sequence[str], n_series: int) -> tuple[Figure, Axes]:
    """Return a figure with one named row for each of some names."""
    height = len(names) * (0.19 + 0.17 * n_series) + 0.35 + 0.3 * (n_series > 1)
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), [" ".join(name.split()) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.grid(visible=False, axis="y")
    return figure, axes


def _write(axes: Axes, x: float, y: float, text: str) -> None:
    axes.text(x, y, text, color=_MUTED, fontsize=8.5, verticalalignment="center_baseline")


def _legend_above(figure: Figure, handles: Sequence[Any], names: Iterable[str]) -> None:
    figure.legend(handles, list(names), loc="outside upper left", ncols=len(handles))


def _columns(scores: Iterable[Score]) -> tuple[_Floats, _Floats, _Floats]:
    rows = [(score.value, score.interval.low, score.interval.high) for score in scores]
    values, low, high = np.array(rows, dtype=np.float64).T
    return values, low, high


def chart_svg(figure: Figure, title: str, names: Iterable[str]) -> str:
    """Return the figure as an ``svg`` element that can stand in a page beside others."""
    stream = io.StringIO()
    salt = "\0".join([title, *names])
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": salt}):
        # The reader's fonts show what the one that text is measured with lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(
            stream,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    svg = stream.getvalue()
    svg = svg[svg.index("<svg ") :].rstrip()
    svg = re.sub(r"<defs>\s*<style[^<]*</style>\s*</defs>", "", svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r" font-family: [^;\"]*;", "", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    # Coordinates, not what is written between the tags.
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), svg)
    root = f'role="img" aria-label="{title}" font-family="system-ui, sans-serif"'
    return svg.replace("<svg ", f'<svg {root} stroke-linejoin="round" ', 1)
