"""What the environment says about this replica."""

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engines.base.bus.options import BusOptions

T = TypeVar("T", int, float)

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # an image knows its engine by the name of its package


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
    bus: BusOptions | None = None  # without REDIS_HOST the engine stands alone

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read PORT, the NAUTILUS_ variables and those of the bus; raises SettingsError with the variable's name."""
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
            bus=_bus(environment),
        )


def _bus(environment: Mapping[str, str]) -> BusOptions | None:
    if not (host := environment.get("REDIS_HOST")):
        return None
    password = environment.get("REDIS_PASSWORD_FILE")
    timeout = environment.get("REDIS_CONNECTION_TIMEOUT") or "5"
    return BusOptions(
        host=host,
        port=_number("REDIS_PORT", environment.get("REDIS_PORT") or "6379", int, 1, 65535),
        password_file=Path(password) if password else None,
        connection_timeout=_number("REDIS_CONNECTION_TIMEOUT", timeout, float, 0.1, 60),
        auto_reconnect=_switch("AUTO_RECONNECT", environment),
        health_monitoring=_switch("HEALTH_MONITORING", environment),
    )


def _switch(name: str, environment: Mapping[str, str]) -> bool:
    text = environment.get(name) or "true"
    if text.lower() not in ("true", "false"):
        raise SettingsError(f"{name}: {text!r} is neither true nor false")
    return text.lower() == "true"


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
