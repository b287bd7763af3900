"""Limits are enforced, and breaches open and close with the checks."""

import pytest

from engines.risk.limits import DEFAULTS, Kind, Limit, LimitBook, Severity, approved
from engines.risk.model import FIGURES

CALM = {"gross_leverage": 1.0, "net_leverage": 0.5, "concentration": 0.1, "historical_var": 0.01}


def figures(**changes: float) -> list[float]:
    """What a check of a calm portfolio gives, with changes."""
    return [{**CALM, **changes}.get(name, 0.0) for name in FIGURES]


def test_three_limits_are_active_from_the_start() -> None:
    assert [(limit.kind.value, limit.threshold, limit.active) for limit in LimitBook().limits] == [
        ("gross_leverage", 3.0, True),
        ("concentration", 0.25, True),
        ("historical_var", 0.05, True),
    ]


@pytest.mark.parametrize(("value", "breached"), [(0.2, False), (0.25, False), (0.2500001, True)])
def test_a_limit_may_be_reached_and_not_exceeded(value: float, breached: bool) -> None:
    verdicts = LimitBook().judge("p", figures(concentration=value))
    verdict = next(verdict for verdict in verdicts if verdict.kind is Kind.CONCENTRATION)
    assert (verdict.breached, approved(verdicts)) == (breached, not breached)
    assert verdict.utilisation == pytest.approx(value / 0.25)


def test_a_warning_does_not_refuse() -> None:
    verdicts = LimitBook().judge("p", figures(historical_var=0.06))
    assert [verdict.breached for verdict in verdicts] == [False, False, True]
    assert approved(verdicts)


def test_a_net_short_portfolio_is_bounded_too() -> None:
    book = LimitBook([Limit("net", Kind.NET_LEVERAGE, 1.0)])
    verdict = book.judge("p", figures(net_leverage=-1.5))[0]
    assert (verdict.value, verdict.utilisation, verdict.breached) == (-1.5, 1.5, True)


def test_only_active_limits_of_the_portfolio_are_judged() -> None:
    limits = [
        Limit("all", Kind.CONCENTRATION, 0.2),
        Limit("mine", Kind.CONCENTRATION, 0.3, portfolio_id="mine"),
        Limit("off", Kind.CONCENTRATION, 0.1, active=False),
    ]
    book = LimitBook(limits)
    assert [verdict.limit_id for verdict in book.judge("mine", figures())] == ["all", "mine"]
    assert [verdict.limit_id for verdict in book.judge("other", figures())] == ["all"]


def test_a_breach_opens_stays_open_and_closes() -> None:
    book = LimitBook(DEFAULTS)
    book.record("p", book.judge("p", figures(concentration=0.4)))
    first = book.breaches
    book.record("p", book.judge("p", figures(concentration=0.5)))
    second = book.breaches
    assert [(breach.portfolio_id, breach.limit_id, breach.value) for breach in first + second] == [
        ("p", "single-name-concentration", 0.4),
        ("p", "single-name-concentration", 0.5),
    ]
    assert second[0].opened_at == first[0].opened_at
    assert second[0].checked_at > first[0].checked_at
    book.record("p", book.judge("p", figures()))
    assert book.breaches == []


def test_what_closes_is_told() -> None:
    book, limit = LimitBook(), "single-name-concentration"
    closed: list[tuple[str, str]] = []
    book.on_close = lambda *ids: closed.append(ids)
    assert not book.has_breach("p", limit)
    for concentration in (0.4, 0.5):
        book.record("p", book.judge("p", figures(concentration=concentration)))
    assert (book.has_breach("p", limit), closed) == (True, [])
    book.record("p", book.judge("p", figures()))
    assert (book.has_breach("p", limit), closed) == (False, [("p", limit)])
    book.record("q", book.judge("q", figures(concentration=0.4)))
    book.remove(limit)
    assert closed == [("p", limit), ("q", limit)]


def test_critical_breaches_are_listed_first() -> None:
    book = LimitBook()
    book.record("a", book.judge("a", figures(historical_var=0.2)))
    book.record("b", book.judge("b", figures(gross_leverage=4.0)))
    assert [(breach.portfolio_id, breach.severity) for breach in book.breaches] == [
        ("b", Severity.CRITICAL),
        ("a", Severity.WARNING),
    ]


def test_a_limit_is_replaced_by_its_id_and_its_breaches_close() -> None:
    book = LimitBook()
    book.record("p", book.judge("p", figures(concentration=0.4, gross_leverage=4.0)))
    book.put(Limit("single-name-concentration", Kind.CONCENTRATION, 0.5))
    assert [limit.id for limit in book.limits] == ["gross-leverage", "single-name-concentration", "value-at-risk"]
    assert [breach.limit_id for breach in book.breaches] == ["gross-leverage"]
    assert not any(verdict.breached for verdict in book.judge("p", figures(concentration=0.4)))


def test_a_removed_limit_is_not_judged() -> None:
    book = LimitBook()
    book.record("p", book.judge("p", figures(gross_leverage=4.0)))
    assert book.remove("gross-leverage")
    assert not book.remove("gross-leverage")
    assert book.breaches == []
    assert len(book.judge("p", figures())) == 2
