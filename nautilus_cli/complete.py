"""Names for the shell's completion, read from the file alone: it must answer while a person types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
import yaml


def engines(ctx: typer.Context, incomplete: str) -> list[str]:
    """The engines and services that begin so."""
    names = {**section(ctx, "services"), **section(ctx, "engines")}
    return sorted(name for name in names if name.startswith(incomplete))


def benched(ctx: typer.Context, incomplete: str) -> list[str]:
    """The engines that begin so, for services speak no HTTP, and the commands of `nautilus bench`."""
    names = {*section(ctx, "engines"), *getattr(ctx.command, "commands", ())}
    return sorted(name for name in names if name.startswith(incomplete))


def counts(ctx: typer.Context, incomplete: str) -> list[str]:
    """The engines that can be scaled; after one of them, the counts of its range."""
    declared: dict[str, Any] = section(ctx, "engines")
    given: list[str] = list(ctx.params.get("counts") or ())
    first = declared.get(given[0]) if len(given) == 1 else None
    words = list(declared) if first is None else [str(count) for count in span(first)]
    return [word for word in words if word.startswith(incomplete)]


def slots(ctx: typer.Context, incomplete: str) -> list[str]:
    """ENGINE, or ENGINE/SLOT once a slash is there."""
    name, slash, _ = incomplete.partition("/")
    if not slash:
        return engines(ctx, incomplete)
    every = range(1, max(span(section(ctx, "engines").get(name)), default=1) + 1)
    return [word for slot in every if (word := f"{name}/{slot}").startswith(incomplete)]


def span(engine: Any) -> range:
    """The counts that an engine may have."""
    replicas = engine.get("replicas", 1) if isinstance(engine, dict) else 1
    if isinstance(replicas, int):
        return range(replicas, replicas + 1)
    low, high = replicas.get("min", 1), replicas.get("max", replicas.get("min", 1))
    return range(low, high + 1) if isinstance(low, int) and isinstance(high, int) else range(0)


def section(ctx: typer.Context, key: str) -> dict[str, Any]:
    """One section of the chosen files, in whatever state they are."""
    found: dict[str, Any] = {}
    for file in ctx.find_root().params.get("files") or [Path("engines.yaml")]:
        part = parsed(Path(file)).get(key)
        found |= part if isinstance(part, dict) else {}
    return found


def parsed(file: Path) -> dict[str, Any]:
    """The file as plain data; nothing where it cannot be read: `nautilus config` tells why."""
    try:
        document = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def compared(ctx: typer.Context, incomplete: str) -> list[str]:
    """The engines and the saved runs that begin so."""
    return [*benched(ctx, incomplete), *saved_runs(ctx, incomplete)]


def saved_runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The saved runs that begin so, the newest first."""
    files = ctx.find_root().params.get("files") or [Path("engines.yaml")]
    kept = (Path(files[0]).parent / ".nautilus/bench").glob("*.json")
    return sorted((path.stem for path in kept if path.stem.startswith(incomplete)), reverse=True)
