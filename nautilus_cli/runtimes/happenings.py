"""Docker's events about a fleet, in words."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from docker.api.client import APIClient

from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.runtimes import labels
from nautilus_cli.runtimes.base import Happening
from nautilus_cli.runtimes.live import documents, subject, watch

WORDS = {
    "create": "created",
    "start": "started",
    "stop": "stopped",
    "restart": "restarted",
    "pause": "paused",
    "unpause": "goes on after its pause",
    "oom": "ran out of memory",
    "update": "its limits were changed",
    "destroy": "removed",
}
FATAL = 128  # a process that a signal ended exits with this and the signal's number


def happenings(api: APIClient, fleet: str, since: float | None) -> Iterator[Happening]:
    """What happens to the containers of a fleet; it ends with `RuntimeUnavailable` only."""
    with closing(watch(api, fleet, since)) as stream:
        if stream.status != 200:
            raise RuntimeUnavailable(f"Docker tells no events: {stream.refusal}")
        for event in documents(stream.chunks()):
            if found := happening(event):
                yield found
    raise RuntimeUnavailable("Docker ended its events", "was the daemon stopped? `docker info` tells")


def happening(event: Mapping[str, Any]) -> Happening | None:
    """One event of Docker; None for what is no news, as the commands of health checks."""
    marks: Mapping[str, str] = event["Actor"]["Attributes"]
    action, role = str(event["Action"]), marks.get(labels.ROLE)
    at, container = event["timeNano"] / 1e9, str(event["Actor"]["ID"])
    if role == "lock":
        return _change(at, container, action, marks)
    found = _told(action, marks) if role != "helper" else None
    if found is None:
        return None
    kind, text = found
    code = int(marks["exitCode"]) if kind == "die" and "exitCode" in marks else None
    return Happening(at, subject(marks), kind, text, container, code)


def _told(action: str, marks: Mapping[str, str]) -> tuple[str, str] | None:
    """Kind and words of an action."""
    kind, _, detail = action.partition(": ")
    if kind == "health_status":
        return (detail, f"is {detail}") if detail else None
    if kind == "die":
        return kind, exit_text(marks.get("exitCode", ""))
    if kind == "kill":
        return kind, f"was sent {signal_name(marks.get('signal', ''))}"
    return (kind, WORDS[kind]) if kind in WORDS else None


def _change(at: float, container: str, action: str, marks: Mapping[str, str]) -> Happening | None:
    """The lock's container lives as long as somebody changes the fleet."""
    purpose, holder = marks.get(labels.PURPOSE, "a change"), marks.get(labels.HOLDER, "somebody")
    if action == "start":
        return Happening(at, "fleet", "change", f"{purpose} began, by {holder}", container)
    if action == "destroy":
        return Happening(at, "fleet", "change-end", f"{purpose} ended", container)
    return None


def exit_text(code: str) -> str:
    """How a process ended."""
    number = int(code) if code.isdecimal() else 0
    ended = signal_name(str(number - FATAL)) if number > FATAL else ""
    return f"exited with code {code}" + (f" ({ended})" if ended.startswith("SIG") else "")


def signal_name(number: str) -> str:
    """SIGTERM of 15; a number that is no signal stays one."""
    try:
        return signal.Signals(int(number)).name
    except ValueError:
        return f"signal {number}" if number.isdecimal() else number
