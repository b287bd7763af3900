"""When `--since` means, and how a command ends that only shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import typer

from nautilus_cli.commands.following import moment, quiet_end
from nautilus_cli.errors import INTERRUPTED, ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("10m", 1000.0 - 600),
        ("1h30s", 1000.0 - 3630),
        ("1700000000.5", 1700000000.5),
        ("2026-11-22T15:00:00Z", datetime(2026, 11, 22, 15, tzinfo=UTC).timestamp()),
        ("2026-11-22T15:00", datetime(2026, 11, 22, 15).timestamp()),
    ],
)
def test_since_is_a_duration_or_a_time(text: str | None, expected: float | None) -> None:
    assert moment(text, 1000.0) == expected


@pytest.mark.parametrize("text", ["yesterday", "", "10 minutes", "-5m"])
def test_since_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="neither a duration nor a time"):
        moment(text, 0.0)


def test_an_interrupt_is_a_usual_end(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, quiet_end():
        raise KeyboardInterrupt
    assert ended.value.exit_code == INTERRUPTED
    assert capsys.readouterr() == ("", "")
