"""Where the bus is and how it behaves."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BusOptions:
    """The settings of one replica's bus; all times in seconds."""

    host: str
    port: int = 6379
    password_file: Path | None = None  # read at each connection, so that a new password is found
    connection_timeout: float = 5.0  # to connect, and for each answer
    auto_reconnect: bool = True  # without it a lost connection turns the bus off
    health_monitoring: bool = True  # an idle connection is asked whether it lives, so that the state shown is true
    capacity: int = 50_000  # messages that wait to be written; more push out the oldest of the lowest priority
    retained: int = 50_000  # messages that a stream keeps, about
    claim_after: float = 30.0  # a message that was not handled for so long goes to another replica
    deliveries: int = 5  # after so many it becomes a dead letter
    remembered: int = 50_000  # ids of handled messages, in Redis for each engine, by which duplicates are known

    def password(self) -> str | None:
        """The password of the file; raises OSError."""
        return None if self.password_file is None else self.password_file.read_text().strip()
