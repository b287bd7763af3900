"""One round of a watch and what it tells, over a runtime in memory."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from nautilus_cli.commands import watch
from nautilus_cli.commands.context import Context
from nautilus_cli.errors import RuntimeUnavailable
from nautilus_cli.repair import Backoff
from nautilus_cli.view.lines import Lines
from tests.test_main import FILE, Cli, changed, cli

__all__ = ["cli"]


def lines(text: str) -> list[str]:
    """What was said, without the time in front."""
    return [line[20:] for line in text.splitlines()]


def keeper(cli: Cli, json: bool = False) -> watch.Keeper:
    context = Context((Path(cli.folder, "engines.yaml"),), None)
    return watch.Keeper(context, context.fleet(), Backoff(), Lines([], prompt=True), json)


def test_a_replica_that_is_gone_comes_back_and_an_edit_of_the_file_does_not_come_with_it(cli: Cli) -> None:
    cli.run("up")
    image = {r.fingerprint for r in cli.runtime.replicas.values() if r.engine == "risk"}
    gone = next(name for name, r in cli.runtime.replicas.items() if r.engine == "risk")
    del cli.runtime.replicas[gone]
    cli.write(changed("img:2"))
    result = cli.run("watch", "--once")
    assert result.exit_code == 0, result.output
    assert lines(result.stdout)[0] == "risk | not running"
    assert "risk/1 | route done healthy after " in result.stdout
    assert {r.fingerprint for r in cli.runtime.replicas.values() if r.engine == "risk"} == image
    assert cli.run("watch", "--once").stdout == ""


def test_a_replica_that_hangs_is_exchanged(cli: Cli) -> None:
    cli.run("up")
    sick = next(r for r in cli.runtime.replicas.values() if r.engine == "factor")
    cli.runtime.modes[sick.address], cli.runtime.clock = "sick", 1000.0
    said = cli.run("watch", "--once", "--json").stdout
    assert sick.name not in cli.runtime.replicas
    first = json.loads(said.splitlines()[0])
    assert (first["schema"], first["subject"], first["kind"]) == ("nautilus.event/1", "factor", "repair")
    assert first["text"] == "1 running and unhealthy: exchanged"


def test_what_is_left_to_people_is_1_and_a_fleet_that_was_never_up_is_nothing(cli: Cli) -> None:
    assert cli.run("watch", "--once").exit_code == 0
    cli.run("up")
    one = next(name for name, r in cli.runtime.replicas.items() if r.engine == "factor")
    cli.runtime.change(cli.runtime.replicas[one], fingerprint="other")
    result = cli.run("watch", "--once")
    assert result.exit_code == 1
    assert "factor | two versions run" in result.stdout


def test_the_same_is_told_once_and_trouble_does_not_end_the_watch(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run("up")
    watching, observe = keeper(cli), cli.runtime.observe

    def away(fleet: object) -> None:
        raise RuntimeUnavailable("no Docker engine answers")

    monkeypatch.setattr(cli.runtime, "observe", away)
    for _ in range(3):
        watching.try_round()
    monkeypatch.setattr(cli.runtime, "observe", observe)
    cli.runtime.replicas.clear()
    cli.runtime.refusals = 1
    watching.try_round()
    watching.try_round()
    said = lines(capsys.readouterr().out)
    assert said[:2] == ["fleet | no Docker engine answers", "fleet | demo: another change is running: up by ann@desk"]
    assert "risk | not running" in said
    assert len(cli.runtime.replicas) == 3


def test_a_file_that_breaks_is_told_and_the_last_good_one_counts(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run("up")
    watching = keeper(cli)
    cli.write({**FILE, "engine": {}})
    cli.runtime.replicas.clear()
    watching.try_round()
    assert "unknown key" in capsys.readouterr().out
    assert len(cli.runtime.replicas) == 3
    cli.write(FILE)
    watching.try_round()
    assert capsys.readouterr().out == ""


def test_the_unit_runs_this_command_on_these_files(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    unit = cli.run("-p", "desk", "watch", "--systemd", "--interval", "3s").stdout
    file = Path(cli.folder, "engines.yaml").resolve()
    assert f"-f {file} -p desk watch --interval 3s\n" in unit
    assert f"WorkingDirectory={cli.folder}\n" in unit
    assert "Restart=always" in unit
    assert "Environment=" not in unit
    assert "docker.sock" not in unit


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("/srv/desk-7/engines.yaml", "/srv/desk-7/engines.yaml"),
        ("/srv/a b/it's", '"/srv/a b/it\'s"'),
        ("100%", "100%%"),
        ("$HOME", '"$$HOME"'),
        ('say "\\o/"', '"say \\"\\\\o/\\""'),
    ],
)
def test_words_are_quoted_as_systemd_reads_them(word: str, text: str) -> None:
    assert watch.quoted(word) == text


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="THE UNIT IS NOT VERIFIED: no systemd-analyze here")
def test_systemd_finds_no_fault_in_the_unit(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder whose name means something to systemd, and for a Docker that is elsewhere."""
    folder = tmp_path / "a b%c$d'e"
    folder.mkdir()
    (folder / "engines.yaml").write_text(Path(cli.folder, "engines.yaml").read_text())
    monkeypatch.setenv("DOCKER_HOST", "tcp://desk:2376/%")
    context = Context((folder / "engines.yaml",), None, "docker")
    text = watch.unit(context, context.fleet(), "3s")
    assert 'engines.yaml" --runtime docker watch --interval 3s' in text
    unit = tmp_path / "nautilus-watch.service"
    unit.write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, ""), text
