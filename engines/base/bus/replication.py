"""Keeps the state of all replicas alike: hashes with versions, and a stream of changes that is read without a group."""

import asyncio
import logging
from time import time

from engines.base.bus.link import Link
from engines.base.bus.options import BusOptions
from engines.base.bus.wire import Argument, Bell, Script, Wire
from engines.base.state import Entry, Key, State

HASHES = "nautilus:state:"  # before the kind: field by field 'version document'
CHANGES = "nautilus:changes"
NUMBER = "nautilus:changes:number"  # of the last change: a reader that misses one reads the hashes again
KEPT_CHANGES = 10_000
PATIENCE = 1.0  # seconds that a PUT waits for its confirmation
BATCH = 256
BLOCK_MS = 200

log = logging.getLogger("nautilus.state")


class Replicator:
    """Two sessions of one state: one follows what others write, one stores what this replica writes."""

    def __init__(self, state: State, options: BusOptions, replica: str) -> None:
        self._state = state
        self._monitored = options.health_monitoring
        self._options = options
        self.follower = Link(options, f"{replica}-state")
        self.writer = Link(options, f"{replica}-writes")
        self._written = Bell()
        self._confirmed = asyncio.Condition()
        self._number = 0
        self._stopping = False
        self.loaded = asyncio.Event()

    def notify(self) -> None:
        """Something was written; from any thread."""
        self._written.ring()

    def stop(self) -> None:
        """Both sessions end, the writer after it has stored what is kept."""
        self._stopping = True
        self._written.ring()

    async def stored(self) -> bool:
        """Whether everything written until now is stored; waits at most PATIENCE, and not at all without Redis."""
        serial = self._state.serial
        try:
            async with asyncio.timeout(PATIENCE), self._confirmed:
                await self._confirmed.wait_for(lambda: not self.writer.up or self._state.stored_up_to(serial))
        except TimeoutError:
            return False
        return self._state.stored_up_to(serial)

    async def follow(self, wire: Wire) -> None:
        """Load the hashes, then take each change as it comes; where one is missing, load them again."""
        last: bytes | None = None
        while not self._stopping:
            last = await self._load(wire) if last is None else await self._changes(wire, last)

    async def write(self, wire: Wire) -> None:
        """Store what this replica has written; it is kept until Redis has confirmed it."""
        try:
            while True:
                self._written.listen()
                if pending := self._state.pending(BATCH):
                    if -2 in await wire.call(*commit_of(wire, pending)):
                        log.error("Redis refuses to store some of %s: is a key of another type in the way?", [*pending])
                    self._state.confirm(pending)
                    await self._wake_waiters()
                elif self._stopping:
                    return
                else:
                    await wire.idle(self._written, self._monitored)
        finally:
            self.writer.up = False
            await self._wake_waiters()

    async def _wake_waiters(self) -> None:
        async with self._confirmed:
            self._confirmed.notify_all()

    async def _load(self, wire: Wire) -> bytes:
        """Note the last change, then read the hashes: what changes meanwhile comes again, which does no harm."""
        kinds = list(self._state.tables)
        newest, number = await wire.pipeline([("XREVRANGE", CHANGES, "+", "-", "COUNT", 1), ("GET", NUMBER)])
        tables = [await wire.call("HGETALL", HASHES + kind) for kind in kinds]
        found: dict[Key, int] = {}
        for kind, flat in zip(kinds, tables, strict=True):
            for key, value in zip(flat[::2], flat[1::2], strict=True):
                entry = entry_of(value)
                found[kind, key.decode()] = entry.version
                self._state.learn(kind, key.decode(), *entry)
        self._state.compare(found)
        self._written.ring()
        self._number = int(number or 0)
        self.loaded.set()
        last: bytes = newest[0][0] if newest else b"0-0"
        return last

    async def _changes(self, wire: Wire, last: bytes) -> bytes | None:
        """Take the changes after `last`; the id of the newest one, or None where some were missed."""
        command = ("XREAD", "COUNT", BATCH, "BLOCK", BLOCK_MS, "STREAMS", CHANGES, last)
        found = await wire.call(*command, patience=BLOCK_MS / 1000)
        for entry, fields in found[0][1] if found else ():
            change = dict(zip(fields[::2], fields[1::2], strict=True))
            number = int(change[b"n"])
            if number > self._number + 1 or number == 1 < self._number:
                log.warning("change %d of the state follows on %d: reading it anew", number, self._number)
                return None
            self._number = max(number, self._number)
            self._state.learn(change[b"k"].decode(), change[b"f"].decode(), int(change[b"v"]), change[b"d"])
            last = entry
        return last


async def refresh(wire: Wire, state: State, kind: str, key: str) -> None:
    """Take what is stored under one key now."""
    if (value := await wire.call("HGET", HASHES + kind, key)) is not None:
        state.learn(kind, key, *entry_of(value))


def commit_of(wire: Wire, pending: dict[Key, Entry]) -> tuple[Argument, ...]:
    """The command that stores these writes."""
    words: list[Argument] = []
    for (kind, key), entry in pending.items():
        words += ["", "", "", 1, "put", kind, key, entry.version, entry.document, ""]
    keys = ("nautilus:bus:handled", CHANGES, NUMBER)  # the first one is not used: no message is handled
    return wire.script(Script.COMMIT, keys, "", int(time() * 1000), 0, 0, KEPT_CHANGES, *words)


def entry_of(value: bytes) -> Entry:
    """A field of a hash."""
    version, _, document = value.partition(b" ")
    return Entry(int(version), document)
