"""The options of `nautilus bench` that its commands share, and a group that is a command too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from nautilus_cli import complete
from nautilus_cli.errors import ConfigError

if TYPE_CHECKING:
    from nautilus_cli.bench.subjects import Asked

# fmt: off
What = Annotated[str | None, typer.Argument(
    metavar="[ENGINE|URL]", help="Default: every engine.", show_default=False, autocompletion=complete.benched)]
Connections = Annotated[int | None, typer.Option(
    "--connections", "-c", min=1, max=10000, help="Closed loop over so many; with --rate, at most.")]
Rate = Annotated[float | None, typer.Option("--rate", "-r", min=0.1, help="Open loop: requests per second.")]
Sweep = Annotated[str | None, typer.Option(help="Closed loops over 1,4,16,... connections, in turns.")]
Objective = Annotated[str | None, typer.Option("--slo", help="Find the highest rate that holds p99=5ms,errors=0.1%.")]
Duration = Annotated[str | None, typer.Option(
    "--duration", "-d", help="Time measured: 10s; 3s of a sweep, 5s of a search.")]
Warmup = Annotated[str, typer.Option(help="Load before that at least, until the rate is steady.")]
Timeout = Annotated[str, typer.Option(help="A request that takes longer has failed.")]
Arrival = Annotated[Literal["constant", "poisson"], typer.Option(help="When requests of a rate are due.")]
RequestPath = Annotated[str | None, typer.Option("--path", help="The path, over the file's bench.path.")]
Method = Annotated[str | None, typer.Option(help="The HTTP method.")]
Header = Annotated[list[str] | None, typer.Option(help="'Name: value', as often as you like.")]
Body = Annotated[str | None, typer.Option(help="The body as text, or @FILE.")]
Where = Annotated[str, typer.Option("--target", help="gateway, or http://ADDRESS:PORT of one replica.")]
Remote = Annotated[bool, typer.Option("--allow-remote", help="Load a server elsewhere, which is yours.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 when the generator was not healthy.")]
Json = Annotated[bool, typer.Option("--json", help="As data, under a versioned schema.")]
Save = Annotated[bool, typer.Option("--save", help="Keep the data in .nautilus/bench beside the file.")]
Hgrm = Annotated[Path | None, typer.Option(help="Write the latency distribution for HdrHistogram's tools.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="As Markdown, for a pull request or a CI summary.")]
Html = Annotated[Path | None, typer.Option(help="Write a report with charts: one file that needs nothing else.")]
Capacity = Annotated[float | None, typer.Option(
    min=0.1, help="How many replicas hold so many requests/s? Scales ENGINE to find out.")]
Write = Annotated[bool, typer.Option("--write", help="With --capacity: put the answer into the file.")]
Monolith = Annotated[bool, typer.Option(
    "--monolith", help="One process with all shipped engines, against a fleet of them.")]
SelfTest = Annotated[bool, typer.Option(
    "--self-test", help="Measure servers of known latency: can this machine be believed?")]
# fmt: on


class CommandAndGroup(TyperGroup):
    """A group that takes arguments of its own; a first word that names one of its commands is that command.

    What has a command's name can still be an argument: after an option or after `--`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        chosen = bool(args) and args[0] in self.commands
        ctx.allow_interspersed_args = not chosen  # what follows a command's name is that command's
        return super().parse_args(ctx, ["", *args] if chosen else args)  # the empty word is the group's own argument


def asked_of(
    path: str | None, method: str | None, header: list[str] | None, body: str | None, target: str, remote: bool
) -> Asked:
    """What the command line says of the request."""
    from nautilus_cli.bench.subjects import Asked

    return Asked(path, method, tuple(header or ()), body_of(body), target, remote)


def body_of(text: str | None) -> bytes | None:
    """The body that is sent: the text, or the content of @FILE."""
    if text is None or not text.startswith("@"):
        return None if text is None else text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ConfigError(f"--body: {text[1:]!r} cannot be read: {error.strerror}") from None
