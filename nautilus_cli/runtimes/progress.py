"""What Docker says while it builds or pulls, in words that a person can follow."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"Step (\d+/\d+) : (.*)")
_NOISE = re.compile(r"\s*--->.*|Removing intermediate container .*|Successfully (built|tagged) .*")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_EXIT = re.compile(r"The command '.*' returned a non-zero code: (\d+)", re.DOTALL)
_ERRORS = {"error", "errorDetail", "message"}  # a refusal before anything was done comes as a `message`
_ARRIVED = ("Pull complete", "Already exists")


class BuildLog:
    """Follows one build; it always knows the current step and the end of that step's output."""

    def __init__(self, keep: int = 15) -> None:
        self.step = ""
        self.image: str | None = None
        self.error: str | None = None
        self.tail: deque[str] = deque(maxlen=keep)
        self.warnings: list[str] = []
        self._rest = ""

    def feed(self, item: Mapping[str, Any]) -> str | None:
        """Take one message of the daemon; the text of the step that it begins, if it does."""
        if isinstance(item.get("aux"), dict):
            self.image = item["aux"].get("ID", self.image)
        if item.keys() & _ERRORS:
            self._line(self._rest)
            self._rest = ""
            self.error = _reason(item)
        before = self.step
        *lines, self._rest = re.split(r"\r\n|\n|\r", self._rest + item.get("stream", ""))
        for line in lines:
            self._line(line)
        return self.step if self.step != before else None

    def _line(self, raw: str) -> None:
        line = _CONTROL.sub("", raw).rstrip()
        if match := _STEP.fullmatch(line):
            self.step = f"step {match[1]} {shorten(match[2])}"
            self.tail.clear()
        elif line.startswith("[Warning]"):
            self.warnings.append(line.removeprefix("[Warning]").strip())
        elif line and not _NOISE.fullmatch(line):
            self.tail.append(line)


class PullLog:
    """Follows one pull; it always knows how many layers have arrived."""

    def __init__(self) -> None:
        self.error: str | None = None
        self._layers: dict[str, bool] = {}

    def feed(self, item: Mapping[str, Any]) -> str | None:
        """Take one message of the daemon; how far the pull has come, if that changed."""
        if item.keys() & _ERRORS:
            self.error = _reason(item)
        status, layer = item.get("status", ""), item.get("id")
        if layer is None or status.startswith("Pulling from"):
            return None
        before = self._text()
        self._layers[layer] = status in _ARRIVED or self._layers.get(layer, False)
        return self._text() if self._text() != before else None

    def _text(self) -> str:
        return f"{sum(self._layers.values())}/{len(self._layers)} layers"


def shorten(text: str, width: int = 100) -> str:
    """One line of at most this width."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _reason(item: Mapping[str, Any]) -> str:
    detail = item.get("errorDetail") or {}
    text = str(detail.get("message") or item.get("error") or item.get("message") or "it did not say why").strip()
    match = _EXIT.fullmatch(text)
    return f"the command ended with code {match[1]}" if match else text
