"""`nautilus exec`: a command in a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli.commands.context import Context, pick
from nautilus_cli.commands.following import quiet_end
from nautilus_cli.errors import ConfigError, Unhealthy

if TYPE_CHECKING:
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.snapshot import Replica, Snapshot

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"allow_interspersed_args": False})


@app.command("exec")
def run(
    ctx: typer.Context,
    replica: Annotated[str, typer.Argument(metavar="ENGINE[/SLOT]", help="Where; without a slot the lowest ready.")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="What, with its own options.")],
) -> None:
    """Run a command in a replica, on a terminal where this is one; its exit code becomes this one's.

    \b
    Examples:
      nautilus exec risk sh
      nautilus exec risk/2 ls -l /app
      nautilus exec redis redis-cli --version < /dev/null
    """
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view.terminal import converse, interactive

    context: Context = ctx.obj
    fleet = context.fleet()
    name, slot = where(fleet, replica)
    words = command[1:] if command[0] == "--" else command
    if not words:
        raise ConfigError("exec needs a command", f"write `nautilus exec {replica} sh`")
    on_terminal = interactive()
    with quiet_end(), open_runtime(fleet) as runtime:
        chosen = choose(runtime.observe(fleet), name, slot)
        with runtime.attach(chosen, words, on_terminal) as attached:
            converse(attached, on_terminal)
            code = attached.exit_code()
    raise typer.Exit(code)


def where(fleet: Fleet, text: str) -> tuple[str, int | None]:
    """The engine and the slot of `risk/2`."""
    name, slash, slot = text.partition("/")
    pick(fleet, [name])
    if slash and not slot.isdecimal():
        raise ConfigError(f"{text!r} is not ENGINE/SLOT", f"write `{name}/1`, or `{name}` for any")
    return name, int(slot) if slash else None


def choose(snapshot: Snapshot, name: str, slot: int | None) -> Replica:
    """The lowest ready replica; on a slot that was named, whatever runs there, the newest and the ready one first."""
    from nautilus_cli.snapshot import State

    running = [replica for replica in snapshot.of(name) if replica.state.alive]
    slots = ", ".join(f"{name}/{number}" for number in sorted({replica.slot for replica in running}))
    if slot is None:
        ready = [replica for replica in running if replica.state is State.READY]
        if not ready:
            hint = f"name one that runs: {slots}" if slots else "`nautilus up` starts it"
            raise Unhealthy(f"no replica of {name} is ready", hint)
        return ready[0]
    found = [replica for replica in running if replica.slot == slot]
    if not found:
        raise Unhealthy(f"{name}/{slot} does not run", f"there are: {slots or 'none'}")
    return max(found, key=lambda replica: (replica.state is State.READY, replica.created))
