"""Rows of a CSV or Parquet file, each with the number of its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from nautilus_cli.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Row:
    """One row as text: the line of a CSV file, or the number of the row of a Parquet file."""

    line: int
    values: dict[str, str]


def rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a file that has these columns, in any order, and may have others; `ConfigError` otherwise."""
    hint = f"its first line must name {','.join(columns)}"
    try:
        found = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
        _, head = next(found)
        if missing := [column for column in columns if column not in head]:
            raise ConfigError(f"{path}:1: no column {', '.join(missing)}", hint)
        for line, cells in found:
            if any(cells):
                yield Row(line, dict(zip(head, [*cells, *[""] * (len(head) - len(cells))], strict=False)))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text", "a Parquet file is named .parquet") from None
    except csv.Error as error:
        raise ConfigError(f"{path} is no CSV file: {error}", hint) from None
    except StopIteration:
        raise ConfigError(f"{path} is empty", hint) from None


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of its last line: a quoted cell may go over several."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]


def _parquet(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row with its number, the names of the columns being the first."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ConfigError(
            f"{path}: Parquet needs pyarrow", "pip install 'nautilus-fleet[parquet]', or use CSV"
        ) from None
    try:
        file = parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise ConfigError(f"{path} is no Parquet file: {error}") from None
    with file:
        yield 1, list(file.schema_arrow.names)
        numbers = count(2)
        for batch in file.iter_batches():
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield next(numbers), ["" if value is None else str(value) for value in values]
