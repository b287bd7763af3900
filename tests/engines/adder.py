"""An engine that is made for the tests of the base."""

import threading
from collections.abc import Sequence

from engines.base.bus import Bus
from engines.base.engine import Call, Computed, Reply, Route
from engines.base.problem import unknown


class Sum(Computed):
    """What the numbers add up to, and the thread that did it."""

    total: float
    thread: str


class Word(Reply):
    """One word."""

    word: str


class Adder:
    """Adds numbers, fast or slowly, and fails on request."""

    def join(self, bus: Bus) -> None:
        """No engine of a bus."""

    def load(self) -> None:
        self.word = "loaded"

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/process", self.add, reads=list[float], replies=(Sum,), hot=True),
            Route("POST", "/slow", self.add, reads=list[float], replies=(Sum,), slow=True),
            Route("GET", "/words/{word}", self.say, replies=(Word,), hot=True),
            Route("GET", "/state", self.state, replies=(Word,)),
            Route("PUT", "/kept", self.keep, replies=(Word,), hot=True, stored=self.is_stored),
            Route("GET", "/bug", self.fail, hot=True),
            Route("GET", "/plain-bug", self.fail),
        )

    def add(self, call: Call) -> Sum:
        """Add the numbers"""
        numbers = call.read(list[float])
        return Sum(total=sum(numbers), thread=threading.current_thread().name, computations=len(numbers))

    def say(self, call: Call) -> Word:
        """Say the word"""
        if call.key == "secret":
            raise unknown("word", call.key, "word")
        return Word(word=call.key)

    def state(self, call: Call) -> Word:
        """Say what was loaded, or what was asked"""
        return Word(word=call.query.get("word", self.word))

    def keep(self, call: Call) -> Word:
        """Keep the word"""
        self.word = call.read(str)
        return Word(word=self.word)

    async def is_stored(self) -> bool:
        return self.word != "away"

    def fail(self, _: Call) -> Word:
        """Fail"""
        raise RuntimeError("a bug with a secret in it")
