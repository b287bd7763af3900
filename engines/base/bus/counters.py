"""What a replica's bus has done until now."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Each only grows."""

    published: int = 0  # stored in a stream
    rejected: int = 0  # never buffered: no topic, or nothing that JSON can hold
    consumed: int = 0  # handled
    failed: int = 0  # deliveries whose handler failed
    duplicates: int = 0  # dropped, as their id had been handled
    claimed: int = 0  # taken over from a replica that did not handle them
    dead_lettered: int = 0
