"""Files of KEY=value lines, as Compose reads them: `.env` and `env_file`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from nautilus_cli.loader.faults import Place, Stop
from nautilus_cli.loader.interpolate import expand

MAX_BYTES = 256 * 1024

_BLANK = re.compile(r"\s*(#.*)?(\n|$)")
_KEY = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(=|(?=\n|$|#))")
_SINGLE = re.compile(r"[ \t]*'([^']*)'[ \t]*(?:#.*)?(?:\n|$)")
_DOUBLE = re.compile(r'[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:#.*)?(?:\n|$)', re.DOTALL)
_QUOTE = re.compile(r"[ \t]*['\"]")
_BARE = re.compile(r"(.*?)(?:[ \t]+#.*)?(?:\n|$)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def read_text(path: Path, file: str, limit: int = MAX_BYTES) -> str:
    """The text of a bounded UTF-8 file; `Stop` says why there is none."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(limit + 1)
    except OSError as error:
        raise Stop(Place(file), f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise Stop(Place(file), "is not a possible name of a file") from None
    if len(raw) > limit:
        raise Stop(Place(file), f"the file is larger than {limit // 1024} KiB")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Stop(Place(file, line), "the file is not UTF-8 text") from None


def parse(text: str, file: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Its variables; `${VAR}` sees the environment first and earlier lines next; `Stop` names the faulty line."""
    values: dict[str, str] = {}
    at = 0
    while at < len(text):
        if blank := _BLANK.match(text, at):
            at = max(blank.end(), at + 1)
            continue
        place = Place(file, text.count("\n", 0, at) + 1)
        at = _assign(text, at, place, values, environ)
    return values


def _assign(text: str, at: int, place: Place, values: dict[str, str], environ: Mapping[str, str]) -> int:
    key = _KEY.match(text, at)
    if not key:
        raise Stop(place, "this line is not KEY=value")
    if not key[2]:  # a key alone is the caller's
        if key[1] in environ:
            values[key[1]] = environ[key[1]]
        return key.end()
    value, end = _value(text, key.end(), place, {**values, **environ})
    if "\0" in value:
        raise Stop(place, "a NUL character is not possible here")
    values[key[1]] = value
    return end


def _value(text: str, at: int, place: Place, known: Mapping[str, str]) -> tuple[str, int]:
    if single := _SINGLE.match(text, at):
        return single[1], single.end()
    if _QUOTE.match(text, at):
        double = _DOUBLE.match(text, at)
        if not double:
            raise Stop(place, "a quote is opened and never closed, or text follows it")
        return _expand(_unescape(double[1]), place, known), double.end()
    bare = _BARE.match(text, at)
    assert bare
    return _expand(bare[1].strip(), place, known), bare.end()


def _unescape(text: str) -> str:
    """Escapes of double quotes; `\\$` becomes `$$`, which is the sign itself."""
    escaped = re.compile(r"\\(.)", re.DOTALL)
    return escaped.sub(lambda m: "$$" if m[1] == "$" else _ESCAPES.get(m[1], m[0]), text)


def _expand(text: str, place: Place, known: Mapping[str, str]) -> str:
    try:
        return expand(text, known, lambda _: None)
    except ValueError as error:
        raise Stop(place, str(error)) from None
