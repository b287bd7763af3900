"""What `nautilus bench compare` shows: one row a figure, its change, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nautilus_cli.bench.campaign import Result
from nautilus_cli.bench.compare import RATE, Case, Row, error_share, failing
from nautilus_cli.units import show_latency, write_share
from nautilus_cli.view.bench import plain
from nautilus_cli.view.bench_words import UNKNOWN, load
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

SCHEMA = "nautilus.bench.compare/1"
COLOURS = {"faster": "green", "slower": "red", "noise": "dim", "unknown": "yellow"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that is told of A and B."""

    a: str
    b: str
    paired: bool
    rounds: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    failed: str = ""

    @property
    def cases(self) -> list[Case]:
        """Each load once."""
        return list({id(row.case): row.case for row in self.rows}.values())

    def regressions(self, above: float | None) -> list[str]:
        """What is worse by more than this share, beyond doubt; and where B fails."""
        if above is None:
            return []
        slower = [f"{name_of(row)} by at least {row.worse:.1%}" for row in self.rows if row.worse > above]
        return [*slower, *(f"errors at {where(case)}" for case in self.cases if failing(case))]


def where(case: Case) -> str:
    """The subject and the load of a case."""
    return f"{case.subject}, {load(case.a[0].profile)}"


def name_of(row: Row) -> str:
    """What a row is about."""
    return f"{row.metric.name} at {where(row.case)}"


def compare_view(found: Comparison, above: float | None) -> RenderableType:
    """The table, and what it means."""
    from rich.console import Group

    return Group(compare_table(found), plain("\n".join(explained(found, above))))


def compare_table(found: Comparison) -> Table:
    """One row a figure."""
    table = grid("subject", "load", "figure", "a>", "b>", "change>", "95% confidence", "verdict")
    for row in found.rows:
        change = row.change
        bounds = (
            f"{percent(change.low)} to {percent(change.high)}" if change and change.low and change.high else UNKNOWN
        )
        table.add_row(
            row.case.subject,
            load(row.case.a[0].profile),
            row.metric.name,
            shown(row, row.a),
            shown(row, row.b),
            percent(change.ratio) if change else UNKNOWN,
            bounds,
            f"[{COLOURS[row.verdict]}]{row.verdict}[/]",
        )
    return table


def percent(ratio: float) -> str:
    """A ratio as what was added or taken."""
    return f"{ratio:.2f} times" if ratio >= 2 else f"{100 * (ratio - 1):+.1f}%"


def shown(row: Row, value: float | None) -> str:
    """A figure in its unit."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if row.metric is RATE else show_latency(value)


def explained(found: Comparison, above: float | None) -> Iterator[str]:
    """What was done, how to read it, and what stands against believing it."""
    yield f"A: {found.a}; B: {found.b}"
    if found.paired:
        yield f"{found.rounds} rounds, A and B in turns; medians; the change is of each pair, by Student's t"
    else:
        yield (
            "two saved runs: the intervals hold what varied within each, and nothing that changed between them "
            "(the machine, its other work, a restart); two engines or URLs are measured in turns"
        )
    yield "noise: no change at all is inside of the interval"
    if any(row.verdict == "unknown" for row in found.rows):
        yield "unknown: too few answers (p99 needs 1,000 a run) or rounds; measure longer: --duration, --rounds"
    for case in found.cases:
        if failing(case):
            yield f"{where(case)}: B FAILS {error_share(case.b):.2%} of the requests, A {error_share(case.a):.2%}"
        yield from doubts(case)
    yield from found.notes
    if found.failed:
        yield f"not compared to the end: {found.failed}"
    if above is not None:
        worse = found.regressions(above)
        bound = f"worse by more than {write_share(above)} beyond doubt"
        yield f"{bound}: {'; '.join(worse)}" if worse else f"nothing is {bound}"


def doubts(case: Case) -> Iterator[str]:
    """In how many runs of each side the generator was not healthy."""
    for letter, reports in (("A", case.a), ("B", case.b)):
        codes = sorted({caution.code for report in reports for caution in report.cautions if caution.distrust})
        if codes:
            count = sum(not report.healthy for report in reports)
            yield f"{where(case)}: DOUBTFUL in {count} of {len(reports)} runs of {letter}: {', '.join(codes)}"


def held(a: Sequence[Result], b: Sequence[Result]) -> Iterator[str]:
    """What two searches found, which has no interval."""
    for before in a:
        for after in b:
            if before.subject.name == after.subject.name and before.found and after.found:
                rates = [
                    f"{one.found.held:,.0f}/s" if one.found and one.found.held else "none" for one in (before, after)
                ]
                yield f"{before.subject.name}: held A {rates[0]}, B {rates[1]}; a search is as fine as 3 %"


def compare_data(found: Comparison, above: float | None) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": SCHEMA,
        "a": found.a,
        "b": found.b,
        "paired": found.paired,
        "rounds": found.rounds,
        "failed": found.failed,
        "regressions": found.regressions(above),
        "notes": list(found.notes),
        "rows": [row_data(row) for row in found.rows],
    }


def row_data(row: Row) -> dict[str, Any]:
    """One figure, with its values in every run so that others can count anew."""
    case, metric = row.case, row.metric
    return {
        "subject": case.subject,
        "load": load(case.a[0].profile),
        "metric": metric.name,
        "a": row.a,
        "b": row.b,
        "change": asdict(row.change) if row.change else None,
        "verdict": row.verdict,
        "worse_by_at_least": row.worse,
        "runs": {"a": [metric.of(report) for report in case.a], "b": [metric.of(report) for report in case.b]},
        "error_share": {"a": error_share(case.a), "b": error_share(case.b)},
        "healthy": all(report.healthy for report in (*case.a, *case.b)),
    }
