"""Whether a change lost requests: what `--verify` says of each engine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nautilus_cli.bench.timeline import Timeline, slow_bound
from nautilus_cli.fleet import Slo


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of the requests to one engine while it was changed."""

    engine: str
    sent: int = 0
    failed: int = 0
    slow: int | None = None  # answers that took longer than the bound; None where there is none
    bound: float | None = None  # seconds
    gap: float = 0.0  # the longest time without a good answer, seconds
    reasons: Mapping[str, int] = field(default_factory=dict)  # why they failed
    note: str = ""  # what was not verified, and why


def prove(engine: str, seen: Timeline, began: float, ended: float, slo: Slo, note: str = "") -> Proof:
    """The requests that were under way when the change began, or were due later.

    Slow is what takes longer than the highest percentile that `slo` promises, else ten times the median of before.
    """
    before, during = seen.between(0.0, began), seen.open_at(began)
    if before.sent and before.lost == before.sent:
        why = next(iter(before.reasons))
        return Proof(engine, note=f"not verified: before the change it answered nothing but {why}")
    bound = objective(slo) or slow_bound(before)
    slow = None if bound is None else during.slow(bound)
    gap = during.gap(began, ended)
    return Proof(engine, during.sent, during.lost, slow, bound, gap, during.reasons, note)


def objective(slo: Slo) -> float | None:
    """The longest that an answer may take."""
    return next((bound for bound in (slo.p999, slo.p99, slo.p90, slo.p50) if bound is not None), None)
