"""The prices are what is in skfolio's package, whole and in order."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.base.prices import FOLDER, INDEX, STOCKS, Prices, PricesError, extract, main


@pytest.fixture
def wheel(skfolio_package: Path, tmp_path: Path) -> Path:
    path = tmp_path / "skfolio.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in (STOCKS, INDEX):
            file.write(skfolio_package / FOLDER / name, f"{FOLDER}/{name}")
    return path


def test_the_data_set_is_complete(prices: Prices) -> None:
    assert prices.closes.shape == (8313, 20)
    assert prices.symbols[:3] == ("AAPL", "AMD", "BAC")
    assert list(prices.symbols) == sorted(prices.symbols)
    assert [str(prices.dates[0]), str(prices.dates[-1])] == ["1990-01-02", "2022-12-28"]
    assert prices.closes[0, :3].tolist() == [0.264, 4.125, 4.599]
    assert prices.closes[-1, -2:].tolist() == [140.181, 106.627]
    assert (prices.index[0], prices.index[-1]) == (359.69, 3783.22)


def test_a_wheel_and_a_folder_hold_the_same(wheel: Path, skfolio_package: Path, tmp_path: Path) -> None:
    assert main([str(wheel), str(tmp_path / "a.npz")]) == 0
    assert main([str(skfolio_package), str(tmp_path / "b.npz")]) == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == ["a.npz", "b.npz"]


def test_what_is_saved_is_loaded(prices: Prices, tmp_path: Path) -> None:
    prices.save(tmp_path / "prices.npz")
    loaded = Prices.load(tmp_path / "prices.npz")
    assert loaded.symbols == prices.symbols
    for name in ("dates", "closes", "index"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(prices, name))


def test_what_is_not_a_price_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no arrays")
    np.savez(tmp_path / "other.npz", numbers=np.ones(3))
    for name in ("text.npz", "other.npz", "missing.npz"):
        with pytest.raises(PricesError, match=name):
            Prices.load(tmp_path / name)


def test_the_last_days(prices: Prices) -> None:
    week = prices.last(5)
    assert week.closes.shape == (5, 20)
    assert (week.dates[-1], week.index[-1]) == (prices.dates[-1], prices.index[-1])


def test_a_package_without_the_data_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path / "out.npz")]) == 1
    assert f"{tmp_path}: no {FOLDER}/{STOCKS} in it" in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()
    (tmp_path / "broken.whl").write_bytes(b"not a wheel")
    with pytest.raises(PricesError, match=r"broken\.whl"):
        extract(tmp_path / "broken.whl")


def test_wrong_arguments_show_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["one"]) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_faulty_prices_are_refused(prices: Prices) -> None:
    week = prices.last(5)
    hole = week.closes.copy()
    hole[2, 3] = np.nan
    with pytest.raises(PricesError, match="not all positive"):
        replace(week, closes=hole)
    with pytest.raises(PricesError, match="do not ascend"):
        replace(week, dates=week.dates[::-1])
    with pytest.raises(PricesError, match="differ in length"):
        replace(week, index=week.index[1:])
