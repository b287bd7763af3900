"""What has to change: a Plan of Actions, each with its reason in words, and their text notation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an action does."""

    BUILD = "build"
    EXPOSE = "expose"
    DEPLOY = "deploy"
    REMOVE = "remove"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Action:
    """One change of one engine, service, or of the gateway."""

    kind: Kind
    subject: str
    reason: str
    count: int = 0  # replicas wanted, of a deploy
    wave: int = 0  # of deploys and removes: a wave begins when the one before is done

    def __str__(self) -> str:
        subject = f"{self.subject} x{self.count}" if self.kind is Kind.DEPLOY else self.subject
        return f"{self.kind:<7} {subject:<14} {self.reason}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions that make reality match the file, in the order in which they run; empty when it does."""

    actions: tuple[Action, ...] = ()
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(str(action) for action in self.actions) or "nothing to do"

    def __bool__(self) -> bool:
        return bool(self.actions)

    def of(self, kind: Kind) -> tuple[Action, ...]:
        """The actions of one kind, in order."""
        return tuple(action for action in self.actions if action.kind is kind)

    def waves(self, kind: Kind) -> Iterator[tuple[Action, ...]]:
        """The actions of one kind, wave by wave."""
        actions = self.of(kind)
        for wave in sorted({action.wave for action in actions}):
            yield tuple(action for action in actions if action.wave == wave)
