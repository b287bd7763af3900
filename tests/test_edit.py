"""Replica counts written into a file: they are what is read afterwards, and nothing else has changed."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Replicas
from nautilus_cli.loader import load
from nautilus_cli.loader.edit import write_replicas

ROOT = Path(__file__).parent.parent
WANTED = Replicas(min=3, max=9)
HEAD = "name: desk  # ours\nengines:\n  # holds limits\n  risk:  # first: mind\n"
TAIL = "    image: nginx  # pinned\n    # the port\n    port: 8200\n  other: {image: nginx, port: 8201}\n"


def write(folder: Path, *texts: str, wanted: Replicas = WANTED) -> list[str]:
    """What the files say after the counts of `risk` were written."""
    files = [folder / f"{number}.yaml" for number in range(len(texts))]
    for path, text in zip(files, texts, strict=True):
        path.write_bytes(text.encode())
    write_replicas(files, {}, None, "risk", wanted)
    assert load(files, {}).fleet.engines["risk"].replicas == wanted
    assert not [path for path in folder.iterdir() if path not in files]
    return [path.read_bytes().decode() for path in files]


def changed(before: str, after: str) -> list[str]:
    """The lines that differ."""
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


@pytest.mark.parametrize(
    ("form", "then"),
    [
        ("    replicas: 2  # why\n", "    replicas: {min: 3, max: 9}  # why\n"),
        ("    replicas: {min: 1, max: 2}  # why\n", "    replicas: {min: 3, max: 9}  # why\n"),
        ("    replicas: {max: 2}\n", "    replicas: {min: 3, max: 9}\n"),
        ("    replicas: ${N:-2}\n", "    replicas: {min: 3, max: 9}\n"),
        (
            "    replicas:\n      # least\n      min: 1  # a\n      max: 2  # b\n",
            "    replicas:\n      # least\n      min: 3  # a\n      max: 9  # b\n",
        ),
        ("    replicas:\n      min: 1  # a\n", "    replicas:\n      min: 3  # a\n      max: 9\n"),
        ("", "    replicas: {min: 3, max: 9}\n"),
        ("    # of this key\n\n", "    replicas: {min: 3, max: 9}\n    # of this key\n\n"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_form_keeps_its_comments(tmp_path: Path, form: str, then: str, ending: str) -> None:
    (text,) = write(tmp_path, f"{HEAD}{form}{TAIL}".replace("\n", ending))
    assert text == f"{HEAD}{then}{TAIL}".replace("\n", ending)


def test_an_engine_on_one_line(tmp_path: Path) -> None:
    (text,) = write(tmp_path, "engines: {risk: {image: nginx, port: 8200}}  # all\n")
    assert text == "engines: {risk: {replicas: {min: 3, max: 9}, image: nginx, port: 8200}}  # all\n"


def test_the_file_that_has_the_last_word_is_changed(tmp_path: Path) -> None:
    base = f"{HEAD}    replicas: 2\n{TAIL}"
    over = "engines:\n  risk:\n    replicas: !override {min: 1, max: 2}  # here\n"
    assert write(tmp_path, base, over, "engines: {risk: {stop_signal: SIGINT}}\n") == [
        base,
        "engines:\n  risk:\n    replicas: {min: 3, max: 9}  # here\n",
        "engines: {risk: {stop_signal: SIGINT}}\n",
    ]


def test_the_shipped_file_changes_in_one_line(tmp_path: Path) -> None:
    before = (ROOT / "engines.yaml").read_text()
    file = tmp_path / "engines.yaml"
    file.write_text(before)
    for name in ("Dockerfile", "base/requirements.txt"):
        (tmp_path / "engines" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "engines" / name).touch()
    for name in ("analytics", "risk", "factor"):
        (tmp_path / "engines" / name).mkdir()
    write_replicas([file], {}, None, "risk", Replicas(min=2, max=3))
    assert changed(before, file.read_text()) == [
        "-     replicas: {min: 1, max: 3}",
        "+     replicas: {min: 2, max: 3}",
    ]


def test_what_another_engine_shares_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "engines.yaml"
    file.write_text(
        "engines:\n  a: {image: nginx, port: 1, replicas: &n {min: 1, max: 2}}\n"
        "  risk: {image: nginx, port: 2, replicas: *n}\n"
    )
    before = file.read_text()
    with pytest.raises(ConfigError, match="shared with something else") as caught:
        write_replicas([file], {}, None, "risk", WANTED)
    assert caught.value.hint == "write it yourself: engines.risk.replicas: {min: 3, max: 9}"
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_merged_in_is_overruled_in_its_own_place(tmp_path: Path) -> None:
    (text,) = write(
        tmp_path,
        "x-all: &all {image: nginx, replicas: 2}\nengines:\n  a: {<<: *all, port: 1}\n  risk: {<<: *all, port: 2}\n",
    )
    assert text.endswith("a: {<<: *all, port: 1}\n  risk: {replicas: {min: 3, max: 9}, <<: *all, port: 2}\n")


SPACE = st.sampled_from(["", "  # a: {b}", "   "])
COMMENT = st.sampled_from(["", "    # risk: 1\n", "\n"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(least=st.integers(1, 200), more=st.integers(0, 100), space=SPACE, above=COMMENT, data=st.data())
def test_whatever_stands_around_it_stays(
    tmp_path: Path, least: int, more: int, space: str, above: str, data: st.DataObject
) -> None:
    form = data.draw(
        st.sampled_from(["", "    replicas: 7", "    replicas: {min: 1}", "    replicas:\n      max: 5\n      min: 2"])
    )
    text = f"{HEAD}{above}{form}{space if form else ''}\n{TAIL}"
    wanted = Replicas(min=least, max=min(200, least + more))
    (after,) = write(tmp_path, text, wanted=wanted)
    kept = [line for line in after.splitlines() if "min:" not in line and "max:" not in line]
    assert kept == [line for line in text.splitlines() if not line.strip().startswith(("min:", "max:"))
                    and "replicas: 7" not in line and "{min: 1}" not in line]  # fmt: skip
