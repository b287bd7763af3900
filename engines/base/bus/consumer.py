"""Reads the streams of one group, hands each message to its handler once, and commits what follows from it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from time import monotonic, time
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from engines.base.bus.counters import Counters
from engines.base.bus.janitor import Janitor
from engines.base.bus.messages import Effect, Malformed, Message, Publish, Put
from engines.base.bus.options import BusOptions
from engines.base.bus.replication import CHANGES, KEPT_CHANGES, NUMBER, refresh
from engines.base.bus.subscriptions import Subscriptions
from engines.base.bus.wire import Argument, Command, Script, Wire
from engines.base.state import State

BATCH = 128
BLOCK_MS = 200  # of a read, so that a stop waits no longer
SLICE = 0.002  # seconds of handling after which requests get their turn
HANDLED = "nautilus:bus:handled:"  # before the group: the ids of the messages that it has handled
TRIES = 20  # on fresh state, before a message is left for later

log = logging.getLogger("nautilus.bus")


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message as it was given to this consumer."""

    stream: bytes
    entry: bytes
    message: Message


class Handled(msgspec.Struct, frozen=True):
    """A message whose handler has run, what shall happen because of it, and how a commit is told so."""

    delivery: Delivery
    effects: list[Effect]
    words: list[Argument]  # none where nothing follows: it is acknowledged alone

    @classmethod
    def of(cls, delivery: Delivery, effects: list[Effect], group: str) -> "Handled":
        """Raises TopicError and TypeError for what cannot be published."""
        if not effects:
            return cls(delivery, effects, [])
        words: list[Argument] = [delivery.stream, delivery.entry, delivery.message.id, len(effects)]
        now = int(time() * 1e6)
        for number, effect in enumerate(effects):
            words += effect_words(effect, f"{delivery.message.id}/{group}/{number}", now)
        return cls(delivery, effects, words)

    @property
    def conditional(self) -> bool:
        """Whether it depends on state that the next message may change."""
        return any(isinstance(effect, Put) and effect.expected is not None for effect in self.effects)


def effect_words(effect: Effect, id_: str, now: int) -> list[Argument]:
    """The six words of an effect in the commit's arguments."""
    if isinstance(effect, Publish):
        made = effect.outgoing(id_, now)
        return ["publish", made.stream, made.id, made.topic, made.at, made.payload]
    expected: Argument = "" if effect.expected is None else effect.expected
    return ["put", effect.kind, effect.key, effect.version, effect.document, expected]


class Consumer:
    """One group's reader of some streams; the streams that matter most come first."""

    def __init__(
        self, group: str, name: str, options: BusOptions, handlers: Subscriptions, state: State, counters: Counters
    ) -> None:
        self._group = group
        self._name = name
        self._options = options
        self._handlers = handlers
        self._state = state
        self._counters = counters
        self._streams = handlers.streams
        self._janitor = Janitor(group, name, options, self._streams, counters)
        self._stopping = False

    def stop(self) -> None:
        """The session ends after the batch that is under way."""
        self._stopping = True

    async def session(self, wire: Wire) -> None:
        """Read, handle and commit until stopped; then hand over what is left."""
        await self._create_groups(wire)
        await self._resume(wire)
        acks: list[Command] = []
        while not self._stopping:
            acks = await self._handle(wire, await self._read(wire, acks))
            if self._janitor.due:
                acks += await self._claim(wire)
        await self._send(wire, acks)
        await self._janitor.hand_over(wire)

    async def _create_groups(self, wire: Wire) -> None:
        """A new group begins with what its streams still hold."""
        commands = [("XGROUP", "CREATE", stream, self._group, "0", "MKSTREAM") for stream in self._streams]
        for answer in await wire.pipeline(commands):
            if isinstance(answer, ResponseError) and not str(answer).startswith("BUSYGROUP"):
                raise answer

    async def _resume(self, wire: Wire) -> None:
        """What was given to this consumer and not acknowledged, before the connection was lost."""
        reader = ("XREADGROUP", "GROUP", self._group, self._name, "COUNT", BATCH, "STREAMS")
        for stream in self._streams:
            last: bytes = b"0"
            while entries := (await wire.call(*reader, stream, last))[0][1]:
                last = entries[-1][0]
                await self._send(wire, await self._handle(wire, list(self._deliveries(stream.encode(), entries))))

    async def _read(self, wire: Wire, acks: list[Command]) -> list[Delivery]:
        """Send the acknowledgements of the batch before, and wait for the next one."""
        reader = ("XREADGROUP", "GROUP", self._group, self._name, "COUNT", BATCH, "BLOCK", BLOCK_MS, "STREAMS")
        command: Command = (*reader, *self._streams, *(">" for _ in self._streams))
        *answers, found = await wire.pipeline([*acks, command], patience=BLOCK_MS / 1000)
        _raise_first(answers)
        if isinstance(found, ResponseError):
            if not str(found).startswith(("NOGROUP", "UNBLOCKED")):
                raise found
            await self._create_groups(wire)  # the stream was deleted, or Redis came back without it
            return []
        return [one for stream, entries in found or () for one in self._deliveries(stream, entries)]

    def _deliveries(self, stream: bytes, entries: Iterable[Any]) -> Iterable[Delivery]:
        for entry, fields in entries:
            if fields is None:
                continue  # trimmed away meanwhile: the janitor forgets it
            try:
                yield Delivery(stream, entry, Message.of(fields))
            except Malformed as error:  # somebody else's entry; it ends as a dead letter
                self._counters.failed += 1
                log.error("%s %s: %s", stream.decode(), entry.decode(), error)

    async def _claim(self, wire: Wire) -> list[Command]:
        """Take over what nobody has handled for long, in the same way as what is new."""
        acks: list[Command] = []
        async for stream, entries in self._janitor.claim(wire):
            acks += await self._handle(wire, list(self._deliveries(stream, entries)))
        return acks

    async def _handle(self, wire: Wire, deliveries: list[Delivery]) -> list[Command]:
        """Run the handlers; commit what has effects, and return how to acknowledge what has none."""
        done: defaultdict[bytes, list[bytes]] = defaultdict(list)
        ready: list[Handled] = []
        turn = monotonic()
        for delivery in deliveries:
            handled = self._run(delivery)
            if handled is None:
                continue
            if not handled.effects:
                done[delivery.stream].append(delivery.entry)
                self._counters.consumed += bool(self._handlers.of(delivery.message.topic))
                continue
            ready.append(handled)
            if handled.conditional:
                await self._commit(wire, ready)
                ready = []
            if monotonic() - turn > SLICE:
                await asyncio.sleep(0)
                turn = monotonic()
        await self._commit(wire, ready)
        return [("XACK", stream, self._group, *entries) for stream, entries in done.items()]

    def _run(self, delivery: Delivery) -> Handled | None:
        """A message with what follows from it: nothing where nobody subscribed; None where a handler failed."""
        effects: list[Effect] = []
        try:
            for handler in self._handlers.of(delivery.message.topic):
                effects += handler(delivery.message)
            return Handled.of(delivery, effects, self._group)
        except Exception:
            # The edge of the bus: a handler's fault is that message's alone, and ends as a dead letter.
            self._counters.failed += 1
            log.exception("%s %s could not be handled", delivery.message.topic, delivery.message.id)
            return None

    async def _commit(self, wire: Wire, ready: Sequence[Handled]) -> None:
        """Apply the effects, each message's in one step; what met other state than expected is handled again."""
        for _ in range(TRIES):
            if not ready:
                return
            outcomes = await self._apply(wire, ready)
            self._counters.consumed += outcomes.count(1)
            self._counters.duplicates += outcomes.count(0)
            self._counters.failed += outcomes.count(-2)
            for handled, outcome in zip(ready, outcomes, strict=True):
                if outcome == 1:
                    self._adopt(handled)
            clashed = [handled for handled, outcome in zip(ready, outcomes, strict=True) if outcome == -1]
            ready = [again for handled in clashed if (again := await self._again(wire, handled))]
        log.warning("%d messages are left for later: their state changes too fast", len(ready))

    async def _apply(self, wire: Wire, ready: Sequence[Handled]) -> list[int]:
        words = [word for handled in ready for word in handled.words]
        keys = (HANDLED + self._group, CHANGES, NUMBER)
        numbers = (self._options.remembered, self._options.retained, KEPT_CHANGES)
        command = wire.script(Script.COMMIT, keys, self._group, int(time() * 1000), *numbers, *words)
        outcomes: list[int] = await wire.call(*command)
        return outcomes

    def _adopt(self, handled: Handled) -> None:
        for effect in handled.effects:
            if isinstance(effect, Put):
                self._state.learn(effect.kind, effect.key, effect.version, effect.document)

    async def _again(self, wire: Wire, handled: Handled) -> Handled | None:
        for effect in handled.effects:
            if isinstance(effect, Put) and effect.expected is not None:
                await refresh(wire, self._state, effect.kind, effect.key)
        return self._run(handled.delivery)

    async def _send(self, wire: Wire, commands: list[Command]) -> None:
        if commands:
            _raise_first(await wire.pipeline(commands))


def _raise_first(answers: Iterable[Any]) -> None:
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise answer
