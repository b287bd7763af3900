"""Variables, `.env` files and any text at all: the parts of the loader that read characters."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nautilus_cli.errors import ConfigError
from nautilus_cli.loader import dotenv, load
from nautilus_cli.loader.faults import Stop
from nautilus_cli.loader.interpolate import expand
from nautilus_cli.loader.tree import scalar

ENVIRON = {"A": "1", "EMPTY": "", "LONG_name2": "long", "DOLLAR": "${A}"}


def expanded(text: str, environ: Mapping[str, str] = ENVIRON) -> tuple[str, list[str]]:
    unset: list[str] = []
    return expand(text, environ, unset.append), unset


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A", "1"),
        ("x${A}y", "x1y"),
        ("$LONG_name2-", "long-"),
        ("$A$A", "11"),
        ("$$A", "$A"),
        ("$$$A", "$1"),
        ("${DOLLAR}", "${A}"),  # values are not read again
        ("${A:-d}", "1"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NO:-d}", "d"),
        ("${NO-d}", "d"),
        ("${NO:-}", ""),
        ("${A:+r}", "1".replace("1", "r")),
        ("${EMPTY:+r}", ""),
        ("${EMPTY+r}", "r"),
        ("${NO:+r}", ""),
        ("${NO+r}", ""),
        ("${A:?m}", "1"),
        ("${EMPTY?m}", ""),
        ("${NO:-${A}}", "1"),
        ("${NO:-${NO2:-x${A}}y}", "x1y"),
        ("${NO:-a$$b}", "a$b"),
        ("${A:-${NO:?never}}", "1"),
        ("${A:+${EMPTY:-x}}", "x"),
        ("${NO:-a:b-c?d}", "a:b-c?d"),
    ],
)
def test_variables(text: str, result: str) -> None:
    assert expanded(text) == (result, [])


def test_what_is_not_set_is_told_once_it_counts() -> None:
    assert expanded("$NO ${NO2} ${A:-$NO3} ${A:+$NO4}") == ("  1 ", ["NO", "NO2", "NO4"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("$", "a single '$' begins a variable; write $$ for the sign itself"),
        ("5$ 6", "a single '$' begins a variable; write $$ for the sign itself"),
        ("$5", "a single '$' begins a variable; write $$ for the sign itself"),
        ("${}", "'${' must be followed by the name of a variable; write $$ for the sign itself"),
        ("${5}", "'${' must be followed by the name of a variable; write $$ for the sign itself"),
        ("${A", "'${A' is not closed properly; write ${A} or ${A:-default}"),
        ("${A:-d", "'${A' is not closed properly; write ${A} or ${A:-default}"),
        ("${A b}", "'${A' is not closed properly; write ${A} or ${A:-default}"),
        ("${A:d}", "'${A' is not closed properly; write ${A} or ${A:-default}"),
        ("${NO:?why not}", "NO must be set: why not"),
        ("${EMPTY:?}", "EMPTY must be set"),
        ("${NO?m $A}", "NO must be set: m 1"),
        ("${A:-" * 30 + "}" * 30, "variables are nested more than 20 levels deep"),
    ],
)
def test_malformed_variables(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        expanded(text)


def oracle(text: str, environ: Mapping[str, str]) -> str:
    """Another way to the same: the innermost variable first, by pattern, until there is none."""
    hidden = text.replace("$$", "\x01")
    pattern = re.compile(r"\$\{(\w+)(:?[-+])?([^${}]*)\}|\$([A-Z]\w*)")

    def replaced(match: re.Match[str]) -> str:
        name, operator, word, bare = match.groups()
        value = environ.get(name or bare)
        there = bool(value) if operator and operator[0] == ":" else value is not None
        if operator and operator[-1] == "+":
            return word if there else ""
        return (value or "") if there or not operator else word

    while (once := pattern.sub(replaced, hidden, count=1)) != hidden:
        hidden = once
    return hidden.replace("\x01", "$")


LITERAL = st.text("ab :/.#é", max_size=4)
NAMES = st.sampled_from(["A", "B", "EMPTY", "NO"])
BARE = NAMES.map(lambda name: f"${name} ")


def braced(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from([":-", "-", ":+", "+"])
    single = st.builds(lambda n, o, w: f"${{{n}{o}{w}}}", NAMES, operators, inner)
    return st.lists(st.one_of(single, LITERAL), max_size=3).map("".join)


TEMPLATES = st.recursive(
    st.one_of(LITERAL, BARE, NAMES.map(lambda n: f"${{{n}}}"), st.just("$$")), braced, max_leaves=8
)


@given(TEMPLATES)
@example("${NO:-${A:+x$$}$B }")
def test_variables_agree_with_an_oracle(text: str) -> None:
    environ = {"A": "one", "B": "two words", "EMPTY": ""}
    assert expanded(text, environ)[0] == oracle(text, environ)


@given(st.text("$${}AB:-?+ x", max_size=30))
def test_any_text_is_expanded_or_refused(text: str) -> None:
    try:
        result, unset = expanded(text)
    except ValueError:
        return  # test_malformed_variables says which
    assert result.count("$") <= text.count("$")
    assert all(name in text for name in unset)


DOTENV = """\
# a comment
A=1
  B = two words  # a comment
C='single $A # kept'
D="double $A \\" \\n \\$A"
export E=e#kept
F=
G= # nothing
H="two
lines"
HOST
ABSENT
I=${A:-x}/${NO:-y}
J='' # nothing
K.dotted-key=1
L=  'spaced'
"""


def test_a_file_of_variables() -> None:
    assert dotenv.parse(DOTENV, ".env", {"HOST": "h"}) == {
        "A": "1",
        "B": "two words",
        "C": "single $A # kept",
        "D": 'double 1 " \n $A',
        "E": "e#kept",
        "F": "",
        "G": "",
        "H": "two\nlines",
        "HOST": "h",
        "I": "1/y",
        "J": "",
        "K.dotted-key": "1",
        "L": "spaced",
    }


def test_the_environment_is_seen_before_earlier_lines() -> None:
    assert dotenv.parse("A=1\nB=$A\n", ".env", {"A": "2"})["B"] == "2"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("A=1\n\nnot a line", 3, "this line is not KEY=value"),
        ("=1", 1, "this line is not KEY=value"),
        ("A='open", 1, "a quote is opened and never closed, or text follows it"),
        ('B=1\nA="x" y', 2, "a quote is opened and never closed, or text follows it"),
        ("A=$", 1, "a single '$' begins a variable; write $$ for the sign itself"),
        ("A=a\0b", 1, "a NUL character is not possible here"),
    ],
)
def test_a_malformed_file_of_variables(text: str, line: int, problem: str) -> None:
    with pytest.raises(Stop) as caught:
        dotenv.parse(text, ".env", {})
    assert (caught.value.place.line, caught.value.text) == (line, problem)


VALUES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=20)
KEYS = st.text(string.ascii_letters, min_size=1, max_size=5)


@given(st.dictionaries(KEYS, VALUES.filter(lambda value: "'" not in value), max_size=5))
def test_single_quotes_keep_everything(values: dict[str, str]) -> None:
    text = "".join(f"{key}='{value}'\n" for key, value in values.items())
    assert dotenv.parse(text, ".env", {}) == values


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_double_quotes_with_escapes_keep_everything(values: dict[str, str]) -> None:
    escaped = {key: re.sub(r'([\\"$])', r"\\\1", value) for key, value in values.items()}
    text = "".join(f'{key}="{value}"\n' for key, value in escaped.items())
    assert dotenv.parse(text, ".env", {}) == values


@given(st.text("AB= '\"\n#$\\", max_size=40))
def test_any_file_of_variables_is_read_or_refused(text: str) -> None:
    try:
        values = dotenv.parse(text, ".env", {})
    except Stop:
        return  # test_a_malformed_file_of_variables says which
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", key) for key in values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-1", -1), ("010", 10), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("true", True), ("False", False),
        ("", None), ("~", None), ("null", None), ("no", "no"), ("on", "on"), ("1:30", "1:30"), ("0x10", "0x10"),
        ("2024-01-01", "2024-01-01"), ("1_000", "1_000"), (".inf", ".inf"), ("9" * 30, "9" * 30), ("30s", "30s"),
    ],
)  # fmt: skip
def test_what_unquoted_text_means(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


BASE = """\
name: demo
x-base: &base {image: nginx, restart: no}
defaults: {healthcheck: {interval: 3s}, environment: [A=1], update: {monitor: 5s}}
engines:
  a: {<<: *base, port: 80, replicas: {min: 1, max: 2}, volumes: ["d:/d"], depends_on: [s]}
  b:
    image: "${IMAGE:-nginx}"
    port: 81
    ulimits: {nofile: 3}
services: {s: {image: s, secrets: [k], healthcheck: {command: a b}}}
secrets: {k: {environment: HOME}}
gateway: {bind: 127.0.0.1}
"""
MARKS = r"""&a *a *base << : - ? | > !!str !x ! [ ] { } ' " # % @ ` --- ... $ ${ ${A:-} null ~ true 0 -1 1e9 .nan
    [] {} \ a: engines: defaults: x-y: image: port: {<<:*base} !!python/name:os"""
PIECES = st.one_of(
    st.sampled_from(re.findall(r"\S+", MARKS)),
    st.sampled_from(["\t", "\n", "\r", "\x85", "\u2028", "\ufeff", "\x07", " ", "{<<: *base}", '"\\ud800"', '"\\0"']),
    st.sampled_from(["\n  ", "\n    ", ": ", ", ", "- "]),
    st.text(max_size=3),
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A valid file with pieces cut out and others put in."""
    text = BASE
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(PIECES) + text[at + draw(st.integers(0, 12)) :]
    return text


def read(folder: Path, raw: bytes) -> None:
    """Loads this text: it is a fleet, or every line of what is wrong with it names its place."""
    (folder / "engines.yaml").write_bytes(raw)
    try:
        load([folder / "engines.yaml"], {"HOME": "/root"})
    except ConfigError as error:
        for line in error.message.splitlines():
            assert re.match(r".*engines\.yaml:\d+:\d+: .", line), line
            assert "Input should" not in line


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(text=mangled())
def test_a_mangled_file_is_read_or_refused(tmp_path: Path, text: str) -> None:
    read(tmp_path, text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(raw=st.one_of(st.binary(max_size=60), st.text("ab:-?&*<>{}[]!|'\"%@`#,\n \t${}0", max_size=60).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, raw: bytes) -> None:
    read(tmp_path, raw)


def test_the_file_that_is_mangled_is_valid(tmp_path: Path) -> None:
    (tmp_path / "engines.yaml").write_text(BASE)
    assert load([tmp_path / "engines.yaml"], {"HOME": "/root"}).warnings == ()
