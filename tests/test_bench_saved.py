"""What was kept is read back as it was, and what is no result is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nautilus_cli.bench import export, saved
from nautilus_cli.bench.wish import Wish
from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Slo
from nautilus_cli.view import bench as view
from tests.bench_fakes import FakeGenerator
from tests.golden import rendered
from tests.test_bench_export import data, measured

WISHES = [Wish(), Wish(connections=4), Wish(rate=50, arrival="poisson"), Wish(levels=(1, 4))]


@pytest.mark.parametrize("wish", [*WISHES, Wish(slo=Slo.parse("p99=5ms,errors=2%"))])
@pytest.mark.parametrize("target", [{}, {"refused": True}, {"stop_at": 0}, {"why": "the target is gone", "stop_at": 1}])
def test_what_was_kept_says_the_same_again(wish: Wish, target: dict[str, Any]) -> None:
    before = measured(wish, FakeGenerator(**target))
    found = saved.revived("x", data(before))
    (after,) = found.results
    assert data(after)["subjects"] == data(before)["subjects"]
    assert rendered(view.view([after])) == rendered(view.view([before]))


def keep(folder: Path, *names: str) -> None:
    (folder / export.KEPT).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / export.KEPT / f"{name}.json").write_text(json.dumps(data(measured(Wish(connections=4)))))


def test_a_name_is_a_path_or_the_beginning_of_one_kept_file(tmp_path: Path) -> None:
    keep(tmp_path, "2026-risk", "2025-risk", "2025-risk-2")
    assert [path.stem for path in saved.kept(tmp_path)] == ["2025-risk", "2025-risk-2", "2026-risk"]
    one = tmp_path / export.KEPT / "2025-risk.json"
    assert saved.find(tmp_path, str(one)) == one
    assert saved.find(tmp_path, "2025-risk") == one
    assert saved.find(tmp_path, "2026") == tmp_path / export.KEPT / "2026-risk.json"
    assert saved.find(tmp_path, "risk") is None
    assert saved.find(tmp_path, "") is None
    with pytest.raises(ConfigError, match="'2025' is the beginning of 2 saved runs"):
        saved.find(tmp_path, "2025")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '"x"', '{"schema": "nautilus.bench/2"}', '{"schema": "nautilus.bench/1", "subjects": [1]}'],
)
def test_what_is_no_result_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigError, match="holds no results of nautilus bench"):
        saved.read(tmp_path / "x.json")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        saved.read(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="holds no results"):
        saved.read(tmp_path / "bytes.json")
