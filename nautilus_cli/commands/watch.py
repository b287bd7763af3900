"""`nautilus watch`: a small loop that keeps a fleet as it was deployed."""

from __future__ import annotations

import getpass
import os
import re
import sys
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli.commands.context import Change, Context, duration, locked
from nautilus_cli.commands.following import quiet_end
from nautilus_cli.errors import NautilusError, Unhealthy
from nautilus_cli.events import Event, Phase
from nautilus_cli.view.console import say

if TYPE_CHECKING:
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.repair import Backoff, Repairs
    from nautilus_cli.runtimes.base import Runtime
    from nautilus_cli.view.lines import Lines

UNIT = """\
[Unit]
Description=nautilus watch of {fleet}
After=docker.service network-online.target
Wants=network-online.target

[Service]
User={user}
WorkingDirectory={folder}
{environment}ExecStart={command}
Restart=always
RestartSec=5
SuccessExitStatus=130
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=true

[Install]
WantedBy=multi-user.target
"""


def watch(
    ctx: typer.Context,
    interval: Annotated[str, typer.Option(help="Time between two looks.")] = "5s",
    once: Annotated[bool, typer.Option("--once", help="Look and repair once; exits 1 when something is left.")] = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON document a line, as `nautilus events`.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="Print a systemd unit that runs this, and end.")] = False,
) -> None:
    """Keep the fleet as it was deployed: what is missing comes back, what hangs is exchanged without losing a request.

    It holds to the version that the last change brought, whatever the file says by now: it never deploys. It leaves
    crash loops to Docker, which backs off, and tries its own repairs less and less often. It needs no container and no
    place in the fleet: run it beside Docker, by systemd for example.

    \b
    Examples:
      nautilus watch
      nautilus watch --once
      nautilus watch --systemd | sudo tee /etc/systemd/system/nautilus-watch.service
    """
    from nautilus_cli.repair import Backoff
    from nautilus_cli.view.lines import Lines

    context: Context = ctx.obj
    pause, fleet = duration("--interval", interval), context.fleet()
    if systemd:
        say(unit(context, fleet, interval).rstrip())
        return
    keeper = Keeper(context, fleet, Backoff(), Lines([*fleet.workloads, "gateway"], prompt=True), json)
    if once:
        keeper.tell_news(left := keeper.round())
        if left:
            raise Unhealthy(f"left to do by hand: {', '.join(sorted(left))}", "the lines above say what")
        return
    with quiet_end():
        while True:
            keeper.try_round()
            sleep(pause)


class Keeper:
    """What one round must know of those before it: the fleet that it held to, what it tried, and what it has told."""

    def __init__(self, context: Context, fleet: Fleet, backoff: Backoff, lines: Lines, json: bool) -> None:
        self._context = context
        self._file = self._held = fleet
        self._backoff = backoff
        self._lines = lines
        self._json = json
        self._told: dict[str, str] = {}

    def try_round(self) -> None:
        """One round; what goes wrong is told once, and the next tries again. A broken file counts as it was before."""
        trouble = []
        try:
            self._file = self._context.read().fleet
        except NautilusError as error:
            trouble.append(error.message)
        try:
            notes = self.round()
        except NautilusError as error:
            notes = {}
            trouble.append(error.message)
        self.tell_news({**notes, **({"fleet": "; ".join(trouble)} if trouble else {})})

    def round(self) -> dict[str, str]:
        """Look at the fleet, and repair what is broken under its lock; what is left to people, by engine or replica."""
        from nautilus_cli.runtimes import open_runtime

        with open_runtime(self._file) as runtime:
            found = self.look(runtime)
            if found and found.plan:
                with locked(runtime, self._file, Change("watch")):
                    if found := self.look(runtime):
                        self.repair(found, runtime)
            return found.notes if found else {}

    def look(self, runtime: Runtime) -> Repairs | None:
        """What has to be repaired; nothing where nothing was deployed."""
        from nautilus_cli.repair import decide, deployed

        snapshot = runtime.observe(self._held)
        if (held := deployed(self._file, snapshot)) != self._held:
            self._held, snapshot = held, runtime.observe(held)
        return decide(held, snapshot, self._backoff, monotonic()) if held.engines else None

    def repair(self, found: Repairs, runtime: Runtime) -> None:
        """Do it, and tell every step."""
        from nautilus_cli.apply import apply
        from nautilus_cli.health import Cancelled

        for action in found.plan.actions:
            self._backoff.attempt(action.subject, monotonic())
            self.tell(action.subject, "repair", why(found, action.subject) or action.reason)
        try:
            apply(found.plan, found.fleet, runtime, self.follow)
        except Cancelled:
            raise KeyboardInterrupt from None

    def tell_news(self, notes: dict[str, str]) -> None:
        """Tell what was not told in the round before."""
        for subject, text in notes.items():
            if self._told.get(subject) != text:
                self.tell(subject, "note", text)
        self._told = notes

    def follow(self, event: Event) -> None:
        """A step that has ended."""
        if event.phase not in (Phase.STARTED, Phase.PROGRESS):
            self.tell(event.subject, event.verb, f"{event.verb} {event.phase} {event.text}".rstrip())

    def tell(self, subject: str, kind: str, text: str) -> None:
        """One line of its log."""
        from nautilus_cli.runtimes.base import Happening

        happening = Happening(time(), subject, kind, text)
        (self._lines.data if self._json else self._lines.tell)(happening)


def why(found: Repairs, name: str) -> str:
    """That replicas hang, where they do."""
    workload = found.fleet.workloads.get(name)
    count = len(workload.replaced) if workload else 0
    return f"{count} running and unhealthy: exchanged" if count else ""


def unit(context: Context, fleet: Fleet, interval: str) -> str:
    """A unit that runs this command as this user, on these files and on this Docker host."""
    files = [word for file in context.files for word in ("-f", str(file.resolve()))]
    name = ["-p", context.project_name] if context.project_name else []
    where = ["--runtime", context.runtime] if context.runtime else []
    nautilus = Path(sys.argv[0])
    start = [str(nautilus.absolute())] if os.access(nautilus, os.X_OK) else [sys.executable, "-m", "nautilus_cli"]
    command = " ".join(map(quoted, [*start, *files, *name, *where, "watch", "--interval", interval]))
    host = os.environ.get("DOCKER_HOST")
    return UNIT.format(
        fleet=fleet.name,
        user=getpass.getuser(),
        folder=fleet.directory.replace("%", "%%"),
        environment=f"Environment={quoted(f'DOCKER_HOST={host}', variables=False)}\n" if host else "",
        command=command,
    )


def quoted(word: str, variables: bool = True) -> str:
    """One word for systemd, which knows other quotes than a shell, `%` and, in commands, `$`."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    escaped = escaped.replace("$", "$$") if variables else escaped
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", escaped, re.ASCII) else f'"{escaped}"'
