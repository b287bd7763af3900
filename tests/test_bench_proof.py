"""What `--verify` finds in a timeline, and what it says of it."""

from __future__ import annotations

import pytest

from nautilus_cli.bench.proof import Proof, prove
from nautilus_cli.fleet import Slo
from nautilus_cli.view.proof import proof_view
from tests.golden import compare, rendered
from tests.test_bench_timeline import made

BEFORE = [(at / 10, 0.01, True) for at in range(10)]
NONE = Slo()


def test_only_what_was_under_way_or_came_later_counts() -> None:
    seen = made((0.2, 0.01, False), *BEFORE, (1.0, 0.5, True), (1.5, 0.01, True), (1.6, 0.01, False))
    proof = prove("risk", seen, 1.2, 2.0, NONE)
    assert (proof.sent, proof.failed, proof.slow) == (3, 1, 1)
    assert proof.bound == pytest.approx(0.1)
    assert proof.gap == pytest.approx(0.49)
    assert proof.reasons == {"reset": 1}


def test_slow_is_what_the_objective_says() -> None:
    seen = made(*BEFORE, (1.5, 0.03, True))
    assert prove("risk", seen, 1.2, 2.0, NONE).slow == 0
    strict = prove("risk", seen, 1.2, 2.0, Slo.parse("p50=5ms,p99=20ms"))
    assert (strict.slow, strict.bound) == (1, 0.02)


def test_without_a_before_nothing_is_called_slow() -> None:
    proof = prove("risk", made((5.0, 3.0, True)), 5.0, 8.5, NONE, "asked since it was ready")
    assert (proof.slow, proof.note) == (None, "asked since it was ready")


def test_what_answered_nothing_before_the_change_proves_nothing() -> None:
    proof = prove("risk", made((0.1, 0.1, False), (2.0, 0.1, False)), 1.0, 3.0, NONE)
    assert (proof.sent, proof.failed) == (0, 0)
    assert proof.note == "not verified: before the change it answered nothing but reset"


def test_the_table(request: pytest.FixtureRequest) -> None:
    proofs = [
        Proof("analytics", 1840, 0, 3, 0.1, 0.021),
        Proof("risk", 1200, 14, None, None, 1.3, {"503": 12, "reset": 2}, "asked since it was ready"),
        Proof("factor", note="not verified: it served nothing before"),
    ]
    compare(request, "proof", rendered(proof_view(proofs, 200.0)))
