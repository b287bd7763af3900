"""`nautilus bus`: what is on the message bus, what comes, and a message of one's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli.commands.context import Context
from nautilus_cli.commands.following import quiet_end
from nautilus_cli.errors import ConfigError
from nautilus_cli.view.console import say, show, show_json

if TYPE_CHECKING:
    from nautilus_cli.bus.redis import Redis
    from nautilus_cli.fleet import Fleet, Service

PAUSE = 0.1  # seconds between two looks for what is new

app = typer.Typer(add_completion=False, invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def overview(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="As data, under a versioned schema.")] = False,
) -> None:
    """Show the streams of the fleet's message bus: their groups, how far each is behind, and dead letters.

    \b
    Examples:
      nautilus bus
      nautilus bus tail 'risk.**' analytics.performance.*
      nautilus bus publish market.prices.KO '{"symbol": "KO", "date": "2023-01-03", "close": 63.2}'
    """
    if ctx.invoked_subcommand is not None:
        return
    from nautilus_cli.view.bus import overview_data, overview_view

    with redis_of(ctx) as redis:
        found = redis.overview()
    if json:
        show_json(overview_data(found))
    else:
        show(overview_view(found))


@app.command()
def tail(
    ctx: typer.Context,
    topics: Annotated[list[str], typer.Argument(metavar="TOPIC...", help="Or patterns: risk.breaches.*, 'risk.**'.")],
    json: Annotated[bool, typer.Option("--json", help="A JSON document a line.")] = False,
) -> None:
    """Follow the messages of these topics until Ctrl-C; nothing is taken from their readers.

    \b
    Examples:
      nautilus bus tail 'risk.breaches.*'
      nautilus bus tail 'trading.**' 'analytics.**' --json
    """
    from nautilus_cli.bus.contract import checked_pattern, stream_of
    from nautilus_cli.view.bus import message_line

    patterns = [checked_pattern(topic) for topic in topics]
    with quiet_end(), redis_of(ctx) as redis:
        positions = redis.newest(sorted({stream_of(topic) for topic in topics}))
        while True:
            for message in redis.after(positions):
                if any(pattern.fullmatch(message.topic) for pattern in patterns):
                    say(message_line(message, json))
            sys.stdout.flush()
            sleep(PAUSE)


@app.command()
def publish(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="Words joined by dots: trading.positions.portfolio_001.")],
    payload: Annotated[str, typer.Argument(metavar="JSON|-", help="The message; - reads it from the input.")],
) -> None:
    """Publish one message, and say under which id it stands in its stream.

    \b
    Examples:
      nautilus bus publish system.notes.desk '"hello"'
      nautilus bus publish trading.positions.mine - < positions.json
    """
    from nautilus_cli.bus.contract import checked_payload, checked_topic

    checked_topic(topic)
    body = checked_payload(sys.stdin.read() if payload == "-" else payload)
    with redis_of(ctx) as redis:
        say(redis.publish(topic, body))


@contextmanager
def redis_of(ctx: typer.Context) -> Iterator[Redis]:
    """A conversation with the Redis of the fleet that the options name."""
    from nautilus_cli.bus.redis import talking
    from nautilus_cli.commands.exec import choose
    from nautilus_cli.runtimes import open_runtime

    context: Context = ctx.obj
    fleet = context.fleet()
    service = redis_service(fleet)
    with (
        open_runtime(fleet) as runtime,
        talking(runtime, choose(runtime.observe(fleet), service.name, None), service) as redis,
    ):
        yield redis


def redis_service(fleet: Fleet) -> Service:
    """The one service of kind redis."""
    found = [service for service in fleet.services.values() if service.kind == "redis"]
    if len(found) != 1:
        names = ", ".join(service.name for service in found) or "none"
        raise ConfigError(
            f"fleet {fleet.name!r} has no message bus: its services of kind redis are: {names}",
            "declare exactly one under services: redis: {kind: redis, image: ...}",
        )
    return found[0]
