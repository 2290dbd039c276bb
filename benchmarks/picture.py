"""The picture of a tagged report: what a terminal shows, as SVG that asks no host for a font."""

import io
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from diplomacy_nlp import Tagger
from diplomacy_nlp.display import print_tagged

__all__ = ["picture_of_report"]

_N_COLUMNS = 104
# Enough of examples/summit.txt to show every domain, cooperation and conflict.
_SHOWN_SENTENCES = (slice(0, 7), slice(14, 21))
_LEFT_OUT = "   ⋮"

_THEME = TerminalTheme(
    background=(22, 27, 34),
    foreground=(230, 237, 243),
    normal=[
        (72, 79, 88),
        (255, 123, 114),
        (86, 211, 100),
        (240, 190, 80),
        (121, 184, 255),
        (210, 168, 255),
        (86, 212, 221),
        (230, 237, 243),
    ],
)

# rich fills in the names in single braces.
_SVG = """\
<svg viewBox="0 0 {width} {height:g}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A tagged report in a terminal</title>
<style>
.{unique_id}-matrix {{
  font: {char_height}px/{line_height}px ui-monospace, SFMono-Regular, Menlo, Consolas,
    "DejaVu Sans Mono", "Liberation Mono", monospace;
  white-space: pre;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width:g}" height="{terminal_height:g}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture_of_report(report: Path, tagger: Tagger) -> str:
    """Return the SVG of what ``diplomacy-nlp tag REPORT`` prints, with some sentences left out.

    Parameters
    ----------
    report : Path
        A text, named in the picture by its folder and its own name.
    tagger : Tagger
        What tags it.
    """
    name = f"{report.parent.name}/{report.name}"
    terminal = Console(file=io.StringIO(), width=_N_COLUMNS, force_terminal=True, highlight=False)
    documents = [(name, tagger.tag(report.read_text(encoding="utf-8")))]
    with terminal.capture() as captured:
        print_tagged(documents, tagger, terminal)
    heading, *sentences, summary = captured.get().rstrip().split("\n\n")
    shown = [f"$ diplomacy-nlp tag {name}", heading]
    for part in _SHOWN_SENTENCES:
        shown += [*sentences[part], _LEFT_OUT]
    screen = Console(file=io.StringIO(), width=_N_COLUMNS, record=True)
    screen.print(Text.from_ansi("\n\n".join([*shown, summary])))
    svg = screen.export_svg(title="", theme=_THEME, code_format=_SVG, unique_id="report")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"
