"""What `--verify` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nautilus_cli.bench.proof import Proof
from nautilus_cli.units import show_latency
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table


def proof_view(proofs: Sequence[Proof], rate: float) -> Group:
    """One row an engine, and what the figures mean."""
    from rich.console import Group

    how = f"{rate:g} requests/s to each engine, half of them on new connections; failed: no answer, 4xx or 5xx;"
    what = "slow: later than the slo allows, or without one ten times the median of before, at least 50ms"
    return Group(proof_table(proofs), how, what)


def proof_table(proofs: Sequence[Proof]) -> Table:
    """One row an engine."""
    table = grid("engine", "sent>", "failed>", "slow>", "is slow>", "longest gap>", "note")
    for proof in proofs:
        words = [f"failed: {told(proof.reasons)}"] if proof.failed else []
        note = "; ".join([*words, *([proof.note] if proof.note else [])])
        if not proof.sent:
            table.add_row(proof.engine, *["-"] * 5, note)
            continue
        table.add_row(
            proof.engine,
            f"{proof.sent:,}",
            f"[red]{proof.failed:,}[/]" if proof.failed else "0",
            "-" if proof.slow is None else f"{proof.slow:,}",
            "-" if proof.bound is None else f"> {show_latency(proof.bound)}",
            show_latency(proof.gap),
            note,
        )
    return table


def told(reasons: Mapping[str, int]) -> str:
    """`12 x 503, 2 x reset`."""
    return ", ".join(f"{count:,} x {why}" for why, count in reasons.items())
