"""A breach is acknowledged until it closes, whatever checks say of it meanwhile."""

from engines.base.state import State
from engines.risk.acknowledged import Acknowledgements
from engines.risk.limits import LimitBook
from engines.risk.schema import Acknowledgement
from tests.engines.test_risk_limits import figures

SEEN = Acknowledgement("p", "single-name-concentration", "desk", "by Friday")


def check(book: LimitBook, concentration: float) -> None:
    book.record("p", book.judge("p", figures(concentration=concentration)))


def test_an_acknowledged_breach_stays_so_until_it_closes() -> None:
    book = LimitBook()
    seen = Acknowledgements(book, State())
    assert not seen.put(SEEN)
    check(book, 0.4)
    assert seen.noted(book.breaches)[0].acknowledged is None
    assert seen.put(SEEN)
    check(book, 0.5)
    (breach,) = seen.noted(book.breaches)
    assert breach.acknowledged is not None
    assert (breach.acknowledged.by, breach.acknowledged.note, breach.value) == ("desk", "by Friday", 0.5)
    assert breach.opened_at <= breach.acknowledged.at <= breach.checked_at
    check(book, 0.1)
    check(book, 0.4)
    assert seen.noted(book.breaches)[0].acknowledged is None


def tell(source: State, target: State) -> None:
    for (kind, key), entry in source.pending(10).items():
        target.learn(kind, key, *entry)


def test_replicas_agree_on_what_was_seen_also_where_the_breach_is_found_later() -> None:
    states, books = (State(), State()), (LimitBook(), LimitBook())
    first, second = (Acknowledgements(book, state) for book, state in zip(books, states, strict=True))
    check(books[0], 0.4)
    assert first.put(SEEN)
    tell(*states)
    check(books[1], 0.4)
    (one,), (other,) = first.noted(books[0].breaches), second.noted(books[1].breaches)
    assert one.acknowledged is not None
    assert one.acknowledged == other.acknowledged
    check(books[1], 0.1)
    tell(*reversed(states))
    assert first.noted(books[0].breaches)[0].acknowledged is None


def test_a_replica_that_learns_late_of_a_closed_breach_keeps_what_was_acknowledged_since() -> None:
    states, books = (State(), State()), (LimitBook(), LimitBook())
    first, second = (Acknowledgements(book, state) for book, state in zip(books, states, strict=True))
    for book in books:
        check(book, 0.4)
    assert first.put(SEEN)
    tell(*states)
    check(books[0], 0.1)
    check(books[0], 0.4)
    assert first.put(SEEN)  # again, of the breach that is open now
    check(books[1], 0.1)
    tell(*states)
    tell(*reversed(states))
    check(books[1], 0.4)
    for acknowledgements, book in zip((first, second), books, strict=True):
        assert acknowledgements.noted(book.breaches)[0].acknowledged is not None
