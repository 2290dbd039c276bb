"""The chart of speed against quality."""

from collections.abc import Sequence

from diplomacy_nlp.benchmark.contestants import CONTESTANTS
from diplomacy_nlp.benchmark.speed_quality import SpeedQuality
from diplomacy_nlp.charts import CHART_SETTINGS, chart_svg, standalone
from diplomacy_nlp.errors import DataError, MissingExtraError

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, StrMethodFormatter
except ImportError as error:
    raise MissingExtraError("Drawing charts", "report") from error

__all__ = ["speed_quality_chart"]

# Told apart by colour-blind eyes, and on a dark page.
_TIER, _OTHER = "#1f5fa8", "#6e7781"
_TIERS = ("accurate", "fast")
_SIZE_INCHES = 7.2, 3.8
# How far a name reaches: to the right as a factor of the speed, and up and down.
_NAME_FACTOR, _NAME_HEIGHT = 3, 0.01
_SPEEDS = {
    "labelled": "labelled sentences a second",
    "running": "sentences of running text a second",
}


def speed_quality_chart(points: Sequence[SpeedQuality], kind: str, of_set: str) -> str:
    """Draw the macro F1 of systems over their speed, which is on a logarithmic axis.

    Bars are the 95 % interval of the score and the smallest and largest speed.

    Parameters
    ----------
    points : sequence of SpeedQuality
        At least one.
    kind, of_set : str
        The kind of sentences that were timed, and the set that was scored.

    Returns
    -------
    str
        An SVG file, the same for the same results.

    Raises
    ------
    DataError
        There is no point to draw.
    """
    if not points:
        raise DataError("there is no system with both a speed and a score to draw")
    with mpl.rc_context(CHART_SETTINGS):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        for point in points:
            _draw(axes, point, to_the_left=_stands_before_another(point, points))
        slowest = min(point.sentences_per_second.low for point in points)
        fastest = max(point.sentences_per_second.high for point in points)
        # Room for the name of the fastest.
        axes.set_xlim(slowest / 1.3, fastest * max(fastest / slowest, 10) ** 0.32)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.minorticks_off()
        axes.tick_params(axis="y", colors=CHART_SETTINGS["axes.labelcolor"])
        axes.set_xlabel(_SPEEDS[kind])
        axes.set_ylabel(f"macro F1 on {of_set}")
        return standalone(chart_svg(figure, "Speed and quality", [point.name for point in points]))


def _stands_before_another(point: SpeedQuality, points: Sequence[SpeedQuality]) -> bool:
    """Say whether a name to the right would be written over the bar of another point."""
    speed, height = point.sentences_per_second.median, point.macro_f1.median
    return any(
        speed < other.sentences_per_second.median < _NAME_FACTOR * speed
        and other.macro_f1.low - _NAME_HEIGHT <= height <= other.macro_f1.high + _NAME_HEIGHT
        for other in points
    )


def _draw(axes: Axes, point: SpeedQuality, *, to_the_left: bool) -> None:
    speed, score = point.sentences_per_second, point.macro_f1
    is_tier = point.name in _TIERS
    colour = _TIER if is_tier else _OTHER
    axes.vlines(speed.median, score.low, score.high, color=colour, linewidth=1.2, alpha=0.55)
    axes.hlines(score.median, speed.low, speed.high, color=colour, linewidth=1.2, alpha=0.55)
    axes.plot(speed.median, score.median, "o", color=colour, markersize=8 if is_tier else 5.5)
    axes.annotate(
        # In two lines, since systems of like scores stand side by side.
        CONTESTANTS[point.name].title.replace(", ", "\n").replace(" + ", "\n+ "),
        (speed.median, score.median),
        xytext=(-8 if to_the_left else 8, 0),
        textcoords="offset points",
        horizontalalignment="right" if to_the_left else "left",
        verticalalignment="center",
        color=colour,
        fontweight="bold" if is_tier else "normal",
    )
