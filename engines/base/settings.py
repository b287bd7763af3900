"""What the environment says about this replica."""

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T", int, float)

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class SettingsError(ValueError):
    """The environment does not describe a replica that can be started."""


@dataclass(frozen=True)
class Settings:
    """The settings of one replica."""

    engine: str
    replica: str
    version: str
    port: int
    prices: Path
    drain_seconds: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read PORT and the NAUTILUS_ variables; raises SettingsError with the variable's name."""
        engine = _required(environment, "NAUTILUS_ENGINE")
        if not NAME.fullmatch(engine):
            raise SettingsError(f"NAUTILUS_ENGINE: {engine!r} is not a name of lower-case letters, digits and dashes")
        return cls(
            engine=engine,
            replica=environment.get("NAUTILUS_REPLICA") or socket.gethostname(),
            version=environment.get("NAUTILUS_VERSION") or "dev",
            port=_number("PORT", _required(environment, "PORT"), int, 1, 65535),
            prices=Path(_required(environment, "NAUTILUS_PRICES")),
            drain_seconds=_number("NAUTILUS_DRAIN", environment.get("NAUTILUS_DRAIN") or "0.5", float, 0, 600),
        )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _number(name: str, text: str, kind: Callable[[str], T], low: float, high: float) -> T:
    try:
        number = kind(text)
    except ValueError:
        raise SettingsError(f"{name}: {text!r} is not a number") from None
    if not low <= number <= high:
        raise SettingsError(f"{name}: {text} is not between {low} and {high}")
    return number
