"""The `nautilus` command: global options, the commands, and how an error becomes an exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nautilus_cli import __version__
from nautilus_cli.commands import Commands
from nautilus_cli.commands.context import Context
from nautilus_cli.errors import BUG, INTERRUPTED, NautilusError
from nautilus_cli.view.console import fail, note, say

EPILOG = """
Exit codes: 0 done or in sync; 1 an engine is unhealthy, misses its slo or lost requests (--verify, drill); 2 the file
or the arguments are wrong; 3 Docker does not answer; 4 a build failed; 5 a rollout failed; 6 another change is running;
10 changes are pending (up --dry-run --exit-code); 70 a bug; 130 interrupted.
"""


COMMANDS = Commands(
    *("init", "up", "down", "scale", "restart", "rollback", "history", "status", "bench", "build", "config", "doctor"),
    *("logs", "events", "pull", "watch", "drill", "exec", "new", "bus", "load"),
)


class Edge(TyperGroup):
    """Where errors end: expected ones as a message and their exit code, bugs as a log file."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": COMMANDS})

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except NautilusError as error:
            fail(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            note("interrupted: run the same command again to finish what is half done")
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if type(error).__module__.startswith("typer."):
                raise  # a wrong option or argument: Typer tells it
            note(f"this is a bug in nautilus: {error!r}\nits log: {bug_log()}")
            raise typer.Exit(BUG) from None


app = typer.Typer(
    name="nautilus",
    cls=Edge,
    help="Run a fleet of HTTP engines: one file, one port per engine, replicas behind it.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        say(f"nautilus {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    files: Annotated[
        list[Path],
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            envvar="NAUTILUS_FILE",
            default_factory=lambda: [Path("engines.yaml")],
            show_default="engines.yaml",
            help="The file that declares the fleet; each further one is laid over those before it.",
        ),
    ],
    project_name: Annotated[
        str | None,
        typer.Option("--project-name", "-p", envvar="NAUTILUS_PROJECT_NAME", help="The fleet's name, over the file's."),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            envvar="NAUTILUS_RUNTIME",
            metavar="auto|docker|process",
            help="Where replicas live, over the file's. process needs no Docker.",
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What every command may be told."""
    ctx.obj = Context(tuple(files), project_name, runtime)


def bug_log() -> str:
    """The present traceback in a file of its own."""
    with tempfile.NamedTemporaryFile("w", prefix="nautilus-bug-", suffix=".log", delete=False) as log:
        log.write(f"nautilus {__version__}, python {sys.version}, {sys.argv}\n")
        traceback.print_exc(file=log)
    return log.name


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """The first signal ends the command at its next step, the second one at once."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(INTERRUPTED))
    raise KeyboardInterrupt


def run() -> None:
    """Run the command line."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for some reads of every package on the path
    gc.set_threshold(100_000)  # a command ends soon; looking for garbage while modules load took a tenth of its time
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    app()
