"""Docker's events in words, and those that are no news."""

from __future__ import annotations

from typing import Any

import pytest

from nautilus_cli.runtimes.happenings import happening


def event(action: str, **attributes: str) -> dict[str, Any]:
    marks = {"io.nautilus.engine": "risk", "io.nautilus.slot": "2", "io.nautilus.role": "engine"}
    role = {f"io.nautilus.{key}": attributes.pop(key) for key in ("role", "purpose", "holder") if key in attributes}
    return {
        "Action": action,
        "Actor": {"ID": "abc", "Attributes": {**marks, **role, **attributes}},
        "timeNano": 1_500_000_000,
    }


@pytest.mark.parametrize(
    ("found", "kind", "text", "code"),
    [
        (event("start"), "start", "started", None),
        (event("die", exitCode="3"), "die", "exited with code 3", 3),
        (event("die", exitCode="137"), "die", "exited with code 137 (SIGKILL)", 137),
        (event("die", exitCode="255"), "die", "exited with code 255", 255),
        (event("oom"), "oom", "ran out of memory", None),
        (event("kill", signal="15"), "kill", "was sent SIGTERM", None),
        (event("kill", signal="SIGUSR1"), "kill", "was sent SIGUSR1", None),
        (event("kill", signal="99"), "kill", "was sent signal 99", None),
        (event("health_status: unhealthy"), "unhealthy", "is unhealthy", None),
        (event("destroy"), "destroy", "removed", None),
    ],
)
def test_events_are_told_in_words(found: dict[str, Any], kind: str, text: str, code: int | None) -> None:
    told = happening(found)
    assert told is not None
    assert (told.at, told.subject, told.container) == (1.5, "risk/2", "abc")
    assert (told.kind, told.text, told.exit_code) == (kind, text, code)


@pytest.mark.parametrize("action", ["exec_create: sh", "exec_start: sh", "exec_die", "attach", "top", "archive-path"])
def test_what_is_no_news_is_left_out(action: str) -> None:
    assert happening(event(action)) is None


def test_the_lock_tells_who_changes_the_fleet_and_helpers_tell_nothing() -> None:
    lock = {"role": "lock", "purpose": "scale risk=3", "holder": "ana@desk (pid 7)"}
    began, ended = happening(event("start", **lock)), happening(event("destroy", **lock))
    assert began is not None
    assert ended is not None
    assert (began.subject, began.text) == ("fleet", "scale risk=3 began, by ana@desk (pid 7)")
    assert (ended.kind, ended.text) == ("change-end", "scale risk=3 ended")
    assert happening(event("die", **lock)) is None
    assert happening(event("start", role="helper")) is None
