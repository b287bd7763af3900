"""What is to be measured of each subject, as the command line says it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from nautilus_cli.bench.campaign import Bench, Result, Subject, campaign, searched, single, swept
from nautilus_cli.bench.recording import Closed, Open, Profile
from nautilus_cli.errors import ConfigError
from nautilus_cli.fleet import Slo
from nautilus_cli.units import parse_duration

POOL = 64  # connections of an open loop
MOST_CONNECTIONS = 10_000
DAY = 86400.0
LONGEST_WARMUP = 15.0  # seconds, for a rate that does not become steady

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which measurement: a sweep, a search, a run at one load, or, without any of them, a campaign."""

    connections: int | None = None
    rate: float | None = None
    levels: tuple[int, ...] = ()
    slo: Slo | None = None
    arrival: Literal["constant", "poisson"] = "constant"

    def __post_init__(self) -> None:
        chosen = {"--sweep": bool(self.levels), "--slo": self.slo is not None, "--rate": self.rate is not None}
        named = [option for option, given in chosen.items() if given]
        if len(named) > 1:
            raise ConfigError(f"{' and '.join(named)} are different measurements", "choose one")
        if self.levels and self.connections is not None:
            raise ConfigError("--sweep names its own connections", "leave --connections away")

    @property
    def seconds(self) -> float:
        """How long a run is measured unless somebody says."""
        return 3.0 if self.levels else 5.0 if self.slo else 10.0

    @property
    def loads(self) -> list[Closed | Open]:
        """The one load that was named; none where it is to be found out."""
        if self.rate is not None:
            return [Open(self.rate, self.connections or POOL, self.arrival)]
        return [Closed(self.connections)] if self.connections is not None else []

    def measure(self, bench: Bench, subject: Subject) -> Result:
        """Do it."""
        pool = self.connections or POOL
        schedule = Open(self.rate or 1.0, pool, self.arrival)
        if self.levels:
            return swept(bench, subject, self.levels)
        if self.slo:
            return searched(bench, subject, self.slo, schedule)
        for load in self.loads:
            return single(bench, subject, load)
        return campaign(bench, subject, schedule)


def levels_of(text: str | None) -> tuple[int, ...]:
    """The numbers of `1,4,16`."""
    parts = [part.strip() for part in text.split(",")] if text is not None else []
    for part in parts:
        if not part.isdecimal() or not 1 <= int(part) <= MOST_CONNECTIONS:
            hint = f"write --sweep 1,4,16,64: each from 1 to {MOST_CONNECTIONS}"
            raise ConfigError(f"--sweep: {part!r} is not a number of connections", hint)
    return tuple(int(part) for part in parts)


def slo_of(text: str | None) -> Slo | None:
    """The objective that is searched for."""
    return None if text is None else parsed("--slo", Slo.parse, text)


def profile_of(wish: Wish, duration: str | None, warmup: str, timeout: str) -> Profile:
    """How long each run takes."""
    measured = wish.seconds if duration is None else seconds("--duration", duration)
    warm, patience = seconds("--warmup", warmup, least=0.0), seconds("--timeout", timeout)
    limit = max(warm, min(LONGEST_WARMUP, warm + measured))  # a short look is not worth a long wait
    return Profile(Closed(1), measured, warm, limit, patience)


def seconds(option: str, text: str, least: float = 0.1) -> float:
    """The duration of an option."""
    found = parsed(option, parse_duration, text)
    if not least <= found <= DAY:
        raise ConfigError(f"{option}: {text!r} is not possible here", f"write {least:g}s or more, 24h or less")
    return found


def parsed(option: str, parse: Callable[[str], T], text: str) -> T:
    """What an option says; `ConfigError` names the option."""
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
