"""State that every replica needs: versioned documents in memory, which a bus keeps alike everywhere.

Reads and writes never wait. Versions are microseconds since the epoch and never go back; the last writer wins.
"""

import logging
import time
from collections.abc import Callable, ItemsView
from threading import RLock
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

T = TypeVar("T")
Key = tuple[str, str]  # the table and the key in it
DELETED = b""

log = logging.getLogger("nautilus.state")


class Entry(NamedTuple):
    """A version of a document as JSON; an empty one says that it was deleted."""

    version: int
    document: bytes


class Replication(Protocol):
    """What carries a state to the other replicas."""

    def notify(self) -> None:
        """Something was written; from any thread."""

    async def stored(self) -> bool:
        """Whether everything that was written until now is stored; False, soon, while it cannot be."""


class Table(Generic[T]):
    """Documents of one kind, by key. Values are what was written, or decoded from what came from elsewhere."""

    def __init__(self, state: "State", kind: str, type_: type[T]) -> None:
        self._state = state
        self._kind = kind
        self._type = type_
        self._values: dict[str, T] = {}
        self.entries: dict[str, Entry] = {}
        self.on_change: Callable[[str, T | None], None] = lambda _key, _value: None

    def get(self, key: str) -> T | None:
        """The value, if there is one."""
        return self._values.get(key)

    def items(self) -> ItemsView[str, T]:
        """Every key and value as they are now."""
        return dict(self._values).items()

    def knows(self, key: str) -> bool:
        """Whether the key was ever written here, also if only to be deleted."""
        return key in self.entries

    def version(self, key: str) -> int:
        """The version of a key; 0 before the first."""
        entry = self.entries.get(key)
        return 0 if entry is None else entry.version

    def put(self, key: str, value: T) -> None:
        """Write a value, here at once and elsewhere as soon as that is possible."""
        self._state.write(self._kind, key, msgspec.json.encode(value))

    def delete(self, key: str) -> None:
        """Delete a key, whether or not it is known here."""
        self._state.write(self._kind, key, DELETED)

    def withdraw(self, key: str) -> None:
        """Delete what is known here of a key; what somebody else has written since stays."""
        self._state.write(self._kind, key, DELETED, self.version(key) + 1)

    def take(self, key: str, entry: Entry) -> None:
        """Make an entry the newest; one that cannot be read counts as deleted."""
        value: T | None = None
        if entry.document != DELETED:
            try:
                value = msgspec.json.decode(entry.document, type=self._type)
            except msgspec.DecodeError as error:  # an engine of another version has written it
                log.error("%s %r cannot be read: %s", self._kind, key, error)
        self.entries[key] = entry
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        self.on_change(key, value)


class State:
    """The tables of one replica, and what of them is not stored yet."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._clock = 0
        self._serial = 0
        self._pending: dict[Key, tuple[int, Entry]] = {}
        self.tables: dict[str, Table[Any]] = {}
        self.replication: Replication | None = None

    def table(self, kind: str, type_: type[T]) -> Table[T]:
        """The one table of a kind, made at the first call."""
        return self.tables.setdefault(kind, Table(self, kind, type_))

    def now(self) -> int:
        """A version later than every one that was seen here."""
        with self._lock:
            self._clock = max(time.time_ns() // 1000, self._clock + 1)
            return self._clock

    def write(self, kind: str, key: str, document: bytes, version: int | None = None) -> None:
        """A write of this replica's own, now unless a version is given: it is kept until it is stored."""
        with self._lock:
            entry = Entry(self.now() if version is None else version, document)
            self._clock = max(self._clock, entry.version)
            self._keep((kind, key), entry)
            self.tables[kind].take(key, entry)
        if self.replication is not None:
            self.replication.notify()

    def learn(self, kind: str, key: str, version: int, document: bytes) -> None:
        """What is stored: it wins unless a newer one was written here, which is still to be stored."""
        table = self.tables.get(kind)
        if table is None:
            return
        with self._lock:
            self._clock = max(self._clock, version)
            entry, own = Entry(version, document), table.entries.get(key)
            if own is not None and own.version <= version:
                self._pending.pop((kind, key), None)
            if own is None or own.version < version or (own.version == version and own != entry):
                table.take(key, entry)

    def compare(self, stored: dict[Key, int]) -> None:
        """Everything that is newer here than what is stored, or missing there, is to be stored."""
        with self._lock:
            for kind, table in self.tables.items():
                for key, entry in table.entries.items():
                    if entry.version > stored.get((kind, key), 0):
                        self._keep((kind, key), entry)

    def pending(self, limit: int) -> dict[Key, Entry]:
        """What is to be stored, the oldest first."""
        with self._lock:
            return {key: entry for key, (_, entry) in list(self._pending.items())[:limit]}

    def confirm(self, stored: dict[Key, Entry]) -> None:
        """These are stored; what was written again meanwhile is not."""
        with self._lock:
            for key, entry in stored.items():
                if key in self._pending and self._pending[key][1] == entry:
                    del self._pending[key]

    @property
    def serial(self) -> int:
        """The number of the last write."""
        return self._serial

    def stored_up_to(self, serial: int) -> bool:
        """Whether every write until this one is stored, or has been overtaken."""
        with self._lock:
            return not self._pending or next(iter(self._pending.values()))[0] > serial

    def _keep(self, key: Key, entry: Entry) -> None:
        self._serial += 1
        self._pending.pop(key, None)  # a newer write goes to the end, so that the first one is the oldest
        self._pending[key] = (self._serial, entry)


async def is_stored(state: State) -> bool:
    """Whether all that was written is stored; without a bus this replica's memory is all there is."""
    return state.replication is None or await state.replication.stored()
