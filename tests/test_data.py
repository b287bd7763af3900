"""Files of positions and prices: what is read, and that every bad row is told with its line."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from nautilus_cli.data import engines, trading
from nautilus_cli.errors import ConfigError, NautilusError, Unhealthy
from tests.conftest import engine, fleet

PRICE_ROWS = st.dictionaries(
    st.tuples(st.dates(date(2023, 1, 1), date(2030, 1, 1)), st.text("ABC.", min_size=1, max_size=4)),
    st.floats(1e-6, 1e9),
    min_size=1,
    max_size=20,
)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # pyarrow loads slowly
@given(PRICE_ROWS)
def test_a_csv_and_a_parquet_file_of_the_same_rows_are_the_same(
    tmp_path: Path, rows: dict[tuple[date, str], float]
) -> None:
    text, table = tmp_path / "prices.csv", tmp_path / "prices.parquet"
    with text.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["note", "close", "symbol", "date"])
        writer.writerows(["x", repr(close), symbol, day] for (day, symbol), close in rows.items())
    columns = {
        "date": [day for day, _ in rows],
        "symbol": [symbol for _, symbol in rows],
        "close": list(rows.values()),
    }
    parquet.write_table(pyarrow.table(columns), table)
    one, other = trading.prices(text), trading.prices(table)
    assert one.items == other.items
    assert one.items == [{"date": str(d), "symbol": s, "close": c} for (d, s), c in rows.items()]


def test_positions_may_be_short_and_of_several_lots(tmp_path: Path) -> None:
    batch = trading.positions(written(tmp_path / "p.csv", "symbol,quantity\nKO,10\n\nKO,-2.5\nPG,1e3,note\n"))
    assert batch.items == [
        {"symbol": "KO", "quantity": 10.0}, {"symbol": "KO", "quantity": -2.5}, {"symbol": "PG", "quantity": 1000.0},
    ]  # fmt: skip
    assert batch.lines == [2, 4, 5]


def test_every_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path / "prices.csv",
        "date,symbol,close\n2023-01-03,KO,60\n03.01.2023,KO,60\n2023-01-04,,60\n2023-01-04,KO,much\n"
        "2023-01-04,KO,-1\n2023-01-05,KO,nan\n2023-01-03,KO,61\n2023-01-06,KO\n",
    )
    with pytest.raises(ConfigError) as refused:
        trading.prices(path)
    assert refused.value.message.splitlines() == [
        f"{path}:3: date: '03.01.2023' is not a day; write 2023-01-03",
        f"{path}:4: symbol: is missing",
        f"{path}:5: close: 'much' is not a number",
        f"{path}:6: close: -1 is not above zero",
        f"{path}:7: close: 'nan' is not a finite number",
        f"{path}:8: KO has a price of 2023-01-03 in line 2 already",
        f"{path}:9: close: is missing",
    ]
    assert "nothing of it was taken" in refused.value.hint


def test_a_row_after_a_cell_of_several_lines_keeps_its_line(tmp_path: Path) -> None:
    path = written(tmp_path / "p.csv", 'symbol,quantity,note\nKO,1,"two\nlines"\nPG,x,\n')
    with pytest.raises(ConfigError, match=r"p\.csv:4: quantity: 'x' is not a number"):
        trading.positions(path)


def test_a_file_full_of_faults_is_told_in_twenty_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "p.csv", "symbol,quantity\n" + "KO,x\n" * 50)
    with pytest.raises(ConfigError) as refused:
        trading.positions(path)
    assert refused.value.message.splitlines()[-1] == "and 30 more"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.csv", "", "is empty"),
        ("p.csv", "symbol,shares\nKO,1\n", ":1: no column quantity"),
        ("p.csv", "symbol,quantity\n", "has no rows"),
        ("p.parquet", "symbol,quantity\n", "is no Parquet file"),
        ("p.csv", "symbol,quantity\nKO," + "1" * 200_000, "is no CSV file: field larger than field limit"),
    ],
)
def test_what_is_no_file_of_positions(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        trading.positions(written(tmp_path / name, text))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        trading.positions(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not text"):
        trading.positions(tmp_path / "b.csv")


class Engine(BaseHTTPRequestHandler):
    """Answers every PUT as it is told, and keeps what it was sent."""

    answers: list[tuple[int, dict[str, Any]]]
    got: list[tuple[str, Any]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, json.loads(body)))
        status, answer = self.answers[len(self.got) - 1]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


@pytest.fixture
def served() -> Iterator[type[Engine]]:
    """An engine `risk`, and `port` where it is."""
    handler = type("Handler", (Engine,), {"answers": [], "got": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    handler.port = server.server_port  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def batch(count: int) -> trading.Batch:
    items = [{"date": str(date(2023, 1, 1) + timedelta(n)), "symbol": "KO", "close": 1.0} for n in range(count)]
    return trading.Batch(Path("prices.csv"), items, [number + 2 for number in range(count)])


def test_the_first_engine_that_takes_it_is_sent_everything(served: Any) -> None:
    both = fleet(engine("other", port=served.port), engine("risk", port=served.port))
    served.answers += [(404, {}), (200, {})]
    sent = engines.send_portfolio(both, ["other", "risk"], "a/b c", batch(2), {"cash": 5.0})
    assert sent == engines.Sent("risk", stored=True)
    assert served.got[1] == ("/portfolios/a%2Fb%20c", {"positions": batch(2).items, "cash": 5.0})


def test_prices_go_in_pages_and_a_refused_one_is_told_with_its_line(served: Any) -> None:
    one = fleet(engine("risk", port=served.port))
    served.answers += [(200, {}), (202, {}), (200, {}), (422, {"detail": "no prices of 'KO'", "field": "[3].symbol"})]
    faults = [{"detail": "no prices of 'KO'", "field": f"[{place}].symbol"} for place in (1, 2)]
    served.answers.append((422, {**faults[0], "errors": faults}))
    assert engines.send_prices(one, ["risk"], batch(5_001)) == engines.Sent("risk", stored=False)
    assert [len(body) for _, body in served.got] == [5_000, 1]
    with pytest.raises(ConfigError) as refused:
        engines.send_prices(one, ["risk"], batch(5_010))
    assert refused.value.message == "prices.csv:5005: no prices of 'KO'"
    assert "its first 5000 rows were taken" in refused.value.hint
    with pytest.raises(ConfigError) as refused:
        engines.send_prices(one, ["risk"], batch(5))
    assert refused.value.message == "prices.csv:3: no prices of 'KO'\nprices.csv:4: no prices of 'KO'"


def test_other_refusals_and_silence(served: Any) -> None:
    one = fleet(engine("risk", port=served.port))
    served.answers += [(404, {}), (422, {"detail": "must be above zero", "field": "cash"})]
    with pytest.raises(ConfigError, match="no engine takes PUT /prices: risk"):
        engines.send_prices(one, ["risk"], batch(1))
    with pytest.raises(NautilusError, match="risk refuses it with 422: cash: must be above zero"):
        engines.send_portfolio(one, ["risk"], "p", batch(1), {})
    with pytest.raises(Unhealthy, match="risk does not answer"):
        engines.send_prices(fleet(engine("risk", port=1)), ["risk"], batch(1))
