"""The versions of engines, as a table and as data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nautilus_cli.fleet import Fleet
from nautilus_cli.snapshot import Snapshot, Version
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "nautilus.history/1"


def version_table(snapshot: Snapshot, names: Collection[str]) -> Table:
    """One row a version, the newest of each engine first."""
    table = grid("engine", "version>", "since", "image", "runs>", "cause", "who")
    for version in chosen(snapshot, names):
        since = f"{datetime.fromisoformat(version.at).astimezone():%Y-%m-%d %H:%M:%S}"
        runs = running(snapshot, version)
        cells = (since, short(version.image), str(runs) if runs else "-", version.cause, version.who)
        table.add_row(version.engine, str(version.serial), *cells)
    return table


def version_data(fleet: Fleet, snapshot: Snapshot, names: Collection[str]) -> dict[str, Any]:
    """The same as plain data, under a versioned schema."""
    rows = [{**asdict(version), "runs": running(snapshot, version)} for version in chosen(snapshot, names)]
    return {"schema": SCHEMA, "fleet": fleet.name, "versions": rows}


def chosen(snapshot: Snapshot, names: Collection[str]) -> list[Version]:
    """The versions of these engines, the newest of each first."""
    return sorted((v for v in snapshot.versions if v.engine in names), key=lambda v: (v.engine, -v.serial))


def running(snapshot: Snapshot, version: Version) -> int:
    """How many replicas of a version run."""
    return sum(r.fingerprint == version.fingerprint and r.state.alive for r in snapshot.of(version.engine))


def short(image: str) -> str:
    """A reference without its registry and folder; a content hash as its beginning."""
    name, colon, tag = image.rpartition("/")[2].partition(":")
    return f"{name}{colon}{tag[:12]}"
