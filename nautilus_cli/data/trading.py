"""Positions and prices as files hold them; every bad row is reported, with its line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from nautilus_cli.data.files import Row, rows
from nautilus_cli.errors import ConfigError

SHOWN = 20  # bad rows that are told one by one
POSITIONS = ("symbol", "quantity")
PRICES = ("date", "symbol", "close")


@dataclass(slots=True)
class Batch:
    """What engines are sent, item by item, and the line that each came from."""

    path: Path
    items: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def positions(path: Path) -> Batch:
    """Rows of symbol and quantity; `ConfigError` names every one that is none."""
    return _read(path, POSITIONS, lambda row: {"symbol": _symbol(row), "quantity": _number(row, "quantity")})


def prices(path: Path) -> Batch:
    """Rows of date, symbol and close; `ConfigError` names every one that is none, and two prices of one day."""
    seen: dict[tuple[str, str], int] = {}

    def read(row: Row) -> dict[str, Any]:
        day, symbol, close = _day(row), _symbol(row), _number(row, "close")
        if close <= 0:
            raise ValueError(f"close: {row.values['close']} is not above zero")
        if (before := seen.setdefault((day, symbol), row.line)) != row.line:
            raise ValueError(f"{symbol} has a price of {day} in line {before} already")
        return {"date": day, "symbol": symbol, "close": close}

    return _read(path, PRICES, read)


def _read(path: Path, columns: tuple[str, ...], read: Callable[[Row], dict[str, Any]]) -> Batch:
    batch, faults = Batch(path), []
    for row in rows(path, columns):
        try:
            batch.items.append(read(row))
            batch.lines.append(row.line)
        except ValueError as fault:
            faults.append((row.line, str(fault)))
    if faults:
        raise refused(path, faults)
    if not batch.items:
        raise ConfigError(f"{path} has no rows", f"write {','.join(columns)}, one row a line")
    return batch


def refused(path: Path, faults: Iterable[tuple[int, str]], before: int = 0) -> ConfigError:
    """All bad rows in one error; of the file nothing was taken but the rows `before` them."""
    found = list(faults)
    lines = [f"{path}:{line}: {text}" for line, text in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN} more")
    taken = f"its first {before} rows were taken" if before else "nothing of it was taken"
    return ConfigError("\n".join(lines), f"correct what is wrong and load the file again; {taken}")


def _symbol(row: Row) -> str:
    text = row.values["symbol"]
    if not 0 < len(text) <= 100:
        raise ValueError("symbol: is missing" if not text else "symbol: is longer than 100 characters")
    return text


def _number(row: Row, column: str) -> float:
    text = row.values[column]
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{column}: {text!r} is not a number" if text else f"{column}: is missing") from None
    if not math.isfinite(number):
        raise ValueError(f"{column}: {text!r} is not a finite number")
    return number


def _day(row: Row) -> str:
    text = row.values["date"][:10]  # a time of day, as Parquet has it, is left out
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"date: {row.values['date']!r} is not a day; write 2023-01-03") from None
