"""The command line: one command a function, which calls the library and prints.

Modules that take long to import are imported inside the commands, so that ``--help`` is quick.
"""

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from diplomacy_nlp import __version__
from diplomacy_nlp.cli_benchmark import benchmark
from diplomacy_nlp.cli_check import agreement, check
from diplomacy_nlp.cli_distil import distil
from diplomacy_nlp.cli_evaluate import evaluate
from diplomacy_nlp.cli_options import AsJson
from diplomacy_nlp.cli_tag import tag
from diplomacy_nlp.cli_thresholds import thresholds
from diplomacy_nlp.cli_train import train
from diplomacy_nlp.errors import ConfigError, DiplomacyError

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """Turns what can go wrong into a message and an exit code: 1 for a failure, 2 for wrong use."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                # Now, since a full disk or a closed pipe could not be answered at the exit.
                if sys.stdout is not None:
                    sys.stdout.flush()
        except DiplomacyError as error:
            raise _failed(str(error), 2 if isinstance(error, ConfigError) else 1) from None
        except BrokenPipeError:
            _discard_stdout()
            raise typer.Exit from None
        except OSError as error:
            _discard_stdout()
            where = f"{error.filename}: " if error.filename else ""
            raise _failed(f"{where}{error.strerror or error}", 1) from None


def _failed(message: str, exit_code: int) -> typer.Exit:
    for line in message.splitlines():
        typer.echo(f"error: {line}", err=True)
    return typer.Exit(exit_code)


def _discard_stdout() -> None:
    """Keep the interpreter from complaining that what is left could not be written."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def main() -> None:
    """Run the command line."""
    app(prog_name="diplomacy-nlp")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"diplomacy-nlp {__version__}")
        raise typer.Exit


@app.callback()
def _diplomacy_nlp(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Tag each sentence of diplomatic text with the domains in which states cooperate.

    Example: diplomacy-nlp tag examples/summit.txt
    """


app.command()(tag)
app.command()(train)
app.command()(distil)
app.command()(evaluate)
app.command()(check)
app.command()(agreement)
app.command()(thresholds)
app.add_typer(benchmark, name="benchmark")


@app.command()
def models() -> None:
    """List the models that come with the library.

    Example: diplomacy-nlp models
    """
    from diplomacy_nlp.model_files import SHIPPED_MODELS, find_model, read_model_config

    for name in SHIPPED_MODELS:
        folder = find_model(name)
        config = read_model_config(folder)
        n_bytes = sum(file.stat().st_size for file in folder.iterdir())
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        others = [n for n in config.domains.names if n not in config.default_domains]
        facts = {
            "base": config.base_model or "TF-IDF with logistic regression",
            "domains": ", ".join(config.default_domains),
            "on request": ", ".join(others),
            "tiers": ", ".join(config.tiers),
            "size": f"{n_bytes / 1e6:.1f} MB",
            "macro F1": ", ".join(_macro_f1(metrics["scores"])),
            "folder": str(folder),
        }
        typer.secho(name, bold=True)
        for fact, value in facts.items():
            if value:
                typer.echo(f"  {fact:<10}  {value}")


def _macro_f1(scores: dict[str, Any]) -> Iterator[str]:
    for name, of_set in scores.items():
        value = of_set["macro_f1"]["value"]
        if value is not None:
            yield f"{name} {value:.3f}"


@app.command()
def domains(
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Those of this model, with its thresholds."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List domains with their definitions.

    Example: diplomacy-nlp domains --model default
    """
    from diplomacy_nlp.domains import WIDE

    listed = WIDE
    thresholds: tuple[float, ...] = ()
    if model is not None:
        from diplomacy_nlp.model_files import find_model, read_model_config

        config = read_model_config(find_model(model))
        listed, thresholds = config.domains, config.calibration.thresholds
    if not as_json:
        from diplomacy_nlp.display import print_domains

        print_domains(listed, thresholds)
        return
    rows = [dataclasses.asdict(domain) for domain in listed]
    if thresholds:
        rows = [row | {"threshold": t} for row, t in zip(rows, thresholds, strict=True)]
    typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
