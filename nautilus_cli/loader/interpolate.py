"""`${VAR}` in values, as Compose reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

MAX_NESTING = 20

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":-|-|:\?|\?|:\+|\+")


def expand(
    text: str, environ: Mapping[str, str], unset: Callable[[str], None], used: Callable[[str], None] = lambda _: None
) -> str:
    """The text with its variables replaced; ValueError says what is wrong.

    `unset` hears of each missing variable that counts as empty, `used` of each one that was looked at.
    """
    if "$" not in text:
        return text
    return _Expander(text, environ, unset, used).run()


class _Expander:
    """Reads the text once from left to right; defaults that are not chosen are read, but not evaluated."""

    def __init__(
        self, text: str, environ: Mapping[str, str], unset: Callable[[str], None], used: Callable[[str], None]
    ) -> None:
        self.text = text
        self.environ = environ
        self.unset = unset
        self.used = used
        self.at = 0

    def run(self) -> str:
        return self._until("", True, 0)

    def _until(self, end: str, live: bool, depth: int) -> str:
        parts: list[str] = []
        while self.at < len(self.text) and not (end and self.text[self.at] == end):
            if self.text[self.at] == "$":
                parts.append(self._dollar(live, depth))
            else:
                parts.append(self.text[self.at])
                self.at += 1
        return "".join(parts)

    def _dollar(self, live: bool, depth: int) -> str:
        self.at += 1
        following = self.text[self.at : self.at + 1]
        if following == "$":
            self.at += 1
            return "$"
        if following == "{":
            self.at += 1
            return self._braced(live, depth + 1)
        if not _NAME.match(self.text, self.at):
            raise ValueError("a single '$' begins a variable; write $$ for the sign itself")
        return self._value(self._name(), live)

    def _braced(self, live: bool, depth: int) -> str:
        if depth > MAX_NESTING:
            raise ValueError(f"variables are nested more than {MAX_NESTING} levels deep")
        if not _NAME.match(self.text, self.at):
            raise ValueError("'${' must be followed by the name of a variable; write $$ for the sign itself")
        name = self._name()
        operator = _OPERATOR.match(self.text, self.at)
        self.at = operator.end() if operator else self.at
        result = self._choose(name, operator[0], live, depth) if operator else self._value(name, live)
        if self.text[self.at : self.at + 1] != "}":
            raise ValueError(f"'${{{name}' is not closed properly; write ${{{name}}} or ${{{name}:-default}}")
        self.at += 1
        return result

    def _choose(self, name: str, operator: str, live: bool, depth: int) -> str:
        value = self.environ.get(name)
        if live:
            self.used(name)
        there = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            word = self._until("}", live and there, depth)
            return word if there else ""
        word = self._until("}", live and not there, depth)
        if operator.endswith("?") and live and not there:
            raise ValueError(f"{name} must be set: {word}" if word else f"{name} must be set")
        return (value or "") if there else word

    def _name(self) -> str:
        match = _NAME.match(self.text, self.at)
        assert match
        self.at = match.end()
        return match[0]

    def _value(self, name: str, live: bool) -> str:
        if live:
            self.used(name)
        if live and name not in self.environ:
            self.unset(name)
        return self.environ.get(name, "")
