"""Lines as people and programs see them: colours on terminals only."""

from __future__ import annotations

import io
import json

import pytest

from nautilus_cli.runtimes.base import Happening, Line
from nautilus_cli.view.lines import Lines, palette


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


LINE = Line("risk/2", "2026-11-22T15:53:52.310324180Z", 1, "hello")


def shown(monkeypatch: pytest.MonkeyPatch, out: io.StringIO, line: Line = LINE, stamps: bool = False) -> str:
    monkeypatch.setattr("sys.stdout", out)
    Lines(["risk", "analytics"], stamps).show(line)
    return out.getvalue()


def test_elsewhere_than_on_a_terminal_lines_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert shown(monkeypatch, io.StringIO()) == "risk/2 | hello\n"
    assert shown(monkeypatch, io.StringIO(), stamps=True) == "risk/2 | 2026-11-22T15:53:52.310324180Z hello\n"


def test_on_a_terminal_prefixes_stand_in_line_and_are_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert (
        shown(monkeypatch, Terminal()) == f"\x1b[{palette(['risk', 'analytics'])['risk']}mrisk/2      | \x1b[0mhello\n"
    )
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(monkeypatch, Terminal()) == "risk/2      | hello\n"


def test_each_engine_has_its_colour_in_every_order() -> None:
    assert palette(["a", "b", "c"]) == palette(["c", "a", "b"])
    assert len(set(palette(["a", "b", "c"]).values())) == 3


def test_what_an_output_cannot_show_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr("sys.stdout", out)
    Lines(["risk"], prompt=True).show(Line("risk/1", "", 0, "café"))
    assert raw.getvalue() == b"risk/1 | caf\\xe9\n"


def test_a_happening_as_json_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Lines(["risk"]).data(Happening(1.5, "risk/2", "die", "exited with code 3", "abc", 3))
    Lines(["risk"]).data(Happening(1.5, "fleet", "change", "up began"))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["schema"] == "nautilus.event/1"
    assert (first["engine"], first["slot"], first["kind"], first["exit_code"]) == ("risk", 2, "die", 3)
    assert first["at"].startswith("1970-01-01T")
    assert (second["engine"], second["slot"], second["subject"]) == (None, None, "fleet")
