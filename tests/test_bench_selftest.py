"""The accuracy that is required of the generator, on servers whose latency is known.

Rows A4, A5, A6 and A8 of the design. `check` repeats one, at most twice, only where it failed while other processes
used the processors; the bounds are never widened.
"""

from __future__ import annotations

import pytest

from nautilus_cli.bench import selftest
from nautilus_cli.bench.calibrated import Calibrated
from nautilus_cli.bench.selftest import REQUIREMENTS, Check, Finding, Requirement, check, self_test

ROWS = {requirement.name: requirement for requirement in REQUIREMENTS}


@pytest.mark.parametrize("row", ["A4", "A5", "A6", "A8"])
def test_accuracy(row: str) -> None:
    result = check(ROWS[row])
    assert result.passed, result


def requirement(findings: list[Finding]) -> Requirement:
    """One whose measurements bring these, one after another."""

    def measure(server: Calibrated) -> Finding:
        return findings.pop(0)

    return Requirement("B1", "what", "bound", "null", measure)


BAD, GOOD = Finding("bad", False), Finding("good", True)


@pytest.mark.parametrize(
    ("others", "findings", "measured", "left"),
    [
        (0.0, [BAD, GOOD], "bad", 1),  # a failure in quiet is a failure
        (2.0, [BAD, GOOD], "good", 0),
        (2.0, [BAD, BAD, BAD, GOOD], "bad", 1),  # twice more, and no more
        (2.0, [GOOD, BAD], "good", 1),
    ],
)
def test_what_is_repeated(
    others: float, findings: list[Finding], measured: str, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = iter(range(100))
    monkeypatch.setattr(selftest, "used_by_others", lambda: next(used) * others * 1000)
    assert (check(requirement(findings)).measured, len(findings)) == (measured, left)


def test_every_requirement_is_told_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "REQUIREMENTS", (requirement([GOOD]), requirement([BAD])))
    monkeypatch.setattr(selftest, "used_by_others", lambda: 0.0)
    told: list[str] = []
    checks = self_test(told.append)
    assert told == ["what", "what"]
    assert checks == [
        Check("B1", "what", "bound", "good", True, 0.0),
        Check("B1", "what", "bound", "bad", False, 0.0),
    ]
