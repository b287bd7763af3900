"""`nautilus scale`: another number of replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Change, Context, Wait, change, patience, pick
from nautilus_cli.commands.verifying import Verify, VerifyRate, rate_of
from nautilus_cli.errors import ConfigError

if TYPE_CHECKING:
    from nautilus_cli.fleet import Fleet


def scale(
    ctx: typer.Context,
    counts: Annotated[
        list[str],
        typer.Argument(help="ENGINE COUNT, or ENGINE=COUNT as often as you like.", autocompletion=complete.counts),
    ],
    wait: Wait = None,
    verify: Verify = False,
    verify_rate: VerifyRate = None,
) -> None:
    """Run another number of replicas, inside the range of the file. The number survives the next `up`.

    \b
    Examples:
      nautilus scale factor 8
      nautilus scale factor=8 risk=2
      nautilus scale factor 8 --verify
    """
    context: Context = ctx.obj
    fleet, seconds = context.fleet(), patience(wait)
    wanted = parse(counts)
    check(fleet, wanted)
    said = " ".join(f"{name}={count}" for name, count in wanted.items())
    change(
        fleet.with_counts(wanted),
        set(wanted),
        Change(f"scale {said}", wait=seconds, verify=rate_of(verify, verify_rate)),
    )


def parse(words: Sequence[str]) -> dict[str, int]:
    """`factor 8` or `factor=8 risk=2` as counts."""
    if len(words) == 2 and "=" not in words[0] and "=" not in words[1]:
        words = [f"{words[0]}={words[1]}"]
    counts: dict[str, int] = {}
    for word in words:
        name, equals, number = word.partition("=")
        if not equals or not number.isdecimal():
            raise ConfigError(f"{word!r} is not ENGINE=COUNT", "write `nautilus scale factor 8` or `factor=8 risk=2`")
        if name in counts:
            raise ConfigError(f"{name!r} is named twice", "give each engine one count")
        counts[name] = int(number)
    return counts


def check(fleet: Fleet, counts: dict[str, int]) -> None:
    """Every name is an engine, and every count inside its range."""
    for name in pick(fleet, counts, known=fleet.engines):
        span = fleet.engines[name].replicas
        if not span.min <= counts[name] <= span.max:
            raise ConfigError(
                f"{name}: {counts[name]} replicas are outside its range {span.min} to {span.max}",
                f"choose {span.min} to {span.max}, or change engines.{name}.replicas in the file",
            )
