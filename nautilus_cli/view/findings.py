"""What `doctor` found, as a table and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nautilus_cli.runtimes.base import Finding, Verdict

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "nautilus.doctor/1"
COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.STOP: "red"}


def table(findings: Sequence[Finding]) -> Table:
    """One row a finding; under it what to do."""
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for head in ("VERDICT", "WHAT", "FOUND"):
        grid.add_column(head, overflow="fold")
    for finding in findings:
        colour = COLOURS[finding.verdict]
        text = finding.text + (f"\n-> {finding.hint}" if finding.hint else "")
        grid.add_row(f"[{colour}]{finding.verdict}[/]", finding.name, text)
    return grid


def data(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": SCHEMA,
        "stops_up": any(finding.verdict is Verdict.STOP for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }
