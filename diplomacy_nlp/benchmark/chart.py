"""Learning curves: how well systems tag, over how many sentences they learned from."""

from collections.abc import Sequence
from itertools import pairwise

from diplomacy_nlp.benchmark.results import QualityResults, size_name
from diplomacy_nlp.benchmark.systems import SYSTEMS
from diplomacy_nlp.charts import CHART_SETTINGS, chart_svg, standalone
from diplomacy_nlp.errors import DataError, MissingExtraError

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError("Drawing charts", "report") from error

__all__ = ["learning_curves"]

# Told apart by colour-blind eyes, and on a dark page.
_COLOURS = ("#1f5fa8", "#d9822b", "#5a8f3d", "#9a5fb0", "#c2534b", "#6e7781")
_PANEL_INCHES = 2.9, 3.0
_LABELS_INCHES = 1.5
_MIN_GAP = 0.065


def learning_curves(results: QualityResults, sets: Sequence[str]) -> str:
    """Draw the macro F1 of every system over the training rows, a panel a set.

    Lines join the means over the seeds, and the bands behind them reach from the smallest to the
    largest.

    Parameters
    ----------
    results : QualityResults
        With at least one run.
    sets : sequence of str
        Of the sets that were scored.

    Returns
    -------
    str
        An SVG file, the same for the same results.

    Raises
    ------
    DataError
        There is no run to draw.
    """
    if not results.runs:
        raise DataError("there is no run to draw")
    width, height = _PANEL_INCHES
    systems = [name for name in SYSTEMS if name in results.systems]
    with mpl.rc_context(CHART_SETTINGS):
        figure = Figure(figsize=(width * len(sets) + _LABELS_INCHES, height), layout="constrained")
        panels = figure.subplots(1, len(sets), squeeze=False, sharey=True)[0]
        for axes, name in zip(panels, sets, strict=True):
            _draw_panel(axes, results, systems, name)
        panels[0].set_ylabel("macro F1")
        lowest, highest = panels[0].get_ylim()
        labels = _label_places(results, systems, sets[-1], _MIN_GAP * (highest - lowest))
        for system, place in labels.items():
            panels[-1].annotate(
                SYSTEMS[system].title,
                (1.03, place),
                xycoords=("axes fraction", "data"),
                color=_colour(system),
                verticalalignment="center_baseline",
                annotation_clip=False,
            )
        return standalone(chart_svg(figure, "Learning curves", systems))


def _colour(system: str) -> str:
    return _COLOURS[list(SYSTEMS).index(system) % len(_COLOURS)]


def _draw_panel(axes: Axes, results: QualityResults, systems: Sequence[str], name: str) -> None:
    rows_of_size = {run.cell.size: run.n_rows for run in results.runs}
    for system in systems:
        points = [
            (rows_of_size[size], spread)
            for size in results.sizes
            if (spread := results.spread(system, size, name)) is not None
        ]
        rows = [n_rows for n_rows, _ in points]
        bounds = ([spread.low for _, spread in points], [spread.high for _, spread in points])
        axes.fill_between(rows, *bounds, color=_colour(system), alpha=0.15, linewidth=0)
        is_first = system == systems[0]
        axes.plot(
            rows,
            [spread.mean for _, spread in points],
            "o-",
            color=_colour(system),
            linewidth=2.4 if is_first else 1.4,
            markersize=4.5 if is_first else 3.5,
        )
    axes.set_title(name)
    axes.set_xscale("log")
    ticks = sorted(rows_of_size.items(), key=lambda pair: pair[1])
    axes.set_xticks([n for _, n in ticks], [_tick(size, n) for size, n in ticks], fontsize=8.5)
    axes.minorticks_off()
    axes.tick_params(axis="y", colors=CHART_SETTINGS["axes.labelcolor"])
    axes.set_xlabel("training sentences")


def _tick(size: int | None, n_rows: int) -> str:
    return size_name(n_rows) if size is None else size_name(size)


def _label_places(
    results: QualityResults, systems: Sequence[str], name: str, gap: float
) -> dict[str, float]:
    """Return where each system's name stands: beside the end of its curve, none on another."""
    ends = {}
    for system in systems:
        spreads = (results.spread(system, size, name) for size in results.sizes)
        *_, ends[system] = (spread.mean for spread in spreads if spread is not None)
    order = sorted(ends, key=lambda system: ends[system])
    for lower, upper in pairwise(order):
        ends[upper] = max(ends[upper], ends[lower] + gap)
    return ends
