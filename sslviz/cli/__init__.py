"""The `sslviz` command. Everything the app does can be asked for here; see DESIGN's table of commands.

Nothing heavy is imported before a command needs it: `sslviz --help` and `sslviz app` start at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

import sslviz
from sslviz import files
from sslviz.cli import (
    bench,
    compare,
    evaluate,
    images,
    inspect,
    machine,
    reproduce,
    runs,
    share,
    shortcut,
    train,
)
from sslviz.cli.output import complain
from sslviz.errors import UserError

MISTAKE = 2
"""Exit code for what the user can put right."""
INTERRUPTED = 130

# Click's base exception, which typer carries itself in newer versions and imports in older ones.
_CLICK_ERROR: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


class _Commands(TyperGroup):
    """Ctrl-C is told apart from a command that says itself what was interrupted, and returns the same code:
    newer versions of typer make a mere exit code of it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


app = typer.Typer(
    name="sslviz",
    cls=_Commands,
    help=sslviz.__doc__,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("app")(machine.serve_app)
app.add_typer(images.commands, name="images")
app.command("train")(train.train)
app.command("compare")(compare.compare)
app.command("evaluate")(evaluate.evaluate)
app.command("embed")(inspect.embed)
app.command("neighbors")(inspect.neighbors)
app.command("runs")(runs.runs)
app.command("reproduce")(reproduce.reproduce)
app.command("shortcut")(shortcut.shortcut)
app.command("cue")(shortcut.cue)
app.command("share")(share.share)
app.command("unshare")(share.unshare)
app.command("bench")(bench.bench)
app.command("doctor")(machine.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sslviz {sslviz.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(  # noqa: ARG001 - its callback does the work
        False, "--version", help="Say the version.", callback=_version, is_eager=True
    ),
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    try:
        code = app(args=arguments, prog_name="sslviz", standalone_mode=False)
    except UserError as error:
        complain(str(error))
        return MISTAKE
    except (KeyboardInterrupt, typer.Abort):
        complain("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    except OSError as error:
        if not files.is_full(error):
            raise
        where = f" at {error.filename}" if error.filename else ""
        complain(f"The disk is full{where}. Make room, or set SSLVIZ_HOME to a folder elsewhere.")
        return MISTAKE
    except _CLICK_ERROR as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "sslviz"
        said = error.format_message().strip().split("\n")[0].rstrip(".")  # type: ignore[attr-defined]
        end = "" if said.endswith("?") else "."
        complain(f"{said}{end} `{where} --help` lists what there is.")
        return MISTAKE
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where there is no console
            # Not every terminal and file has × and the letters of every name: better a ? than no answer.
            stream.reconfigure(errors="replace")
    sys.exit(run())
