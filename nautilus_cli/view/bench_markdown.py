"""A bench report as Markdown: for a pull request, or the summary of a CI job."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nautilus_cli.view.bench_document import Document, Fact, Table

MOODS = {"good": "✅ ", "bad": "❌ ", "unsure": "⚠️ ", "": ""}


def markdown(found: Document) -> str:
    """The whole report."""
    return "\n".join(lines(found)) + "\n"


def lines(found: Document) -> Iterator[str]:
    """Its lines."""
    yield from (f"# {plain(found.title)}", "", f"Measured {plain(found.began)}.", "")
    for part in found.parts:
        yield from (f"## {plain(part.result.subject.name)}", "")
        yield from summed(part.facts)
        for table in part.tables:
            yield from (f"### {table.title}", "", *rows_of(table), "")
        yield from (*(f"- {plain(words)}" for words in part.words), "")
    yield from ("## Environment", "", *rows_of(found.environment))


def summed(facts: tuple[Fact, ...]) -> Iterator[str]:
    """The facts as one row."""
    if facts:
        table = Table("", tuple(f"{fact.name}" for fact in facts), (tuple(MOODS[f.mood] + f.value for f in facts),))
        yield from (*rows_of(table), "")


def rows_of(table: Table) -> Iterator[str]:
    """A table of pipes."""
    yield f"| {' | '.join(plain(head.rstrip('>')) for head in table.heads)} |"
    yield f"|{'|'.join(' ---: ' if head.endswith('>') else ' --- ' for head in table.heads)}|"
    yield from (f"| {' | '.join(map(plain, row))} |" for row in table.rows)


def plain(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no cell's end, no link, no tag."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
