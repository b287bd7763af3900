"""What wrk measured, raw: the percentiles that it prints are of something else.

At the end of a run wrk 4 'corrects' its latencies for coordinated omission: to each latency of at least twice the mean
interval between two requests of a connection it adds one that is shorter by that interval, and again, and again, as if
requests had been sent by a schedule. None were: of a run on nginx with four connections on a busy machine, p99 was
4.1 ms and wrk printed 12.3 ms. Mean and deviation are of the same; only the maximum and the rate are as measured.

The histogram that its Lua hook `done` is shown is corrected too, but the correction can be undone: from the longest
latency downwards, each bears exactly what the longer ones added to it. What is left must be as many as the requests
that were completed, none of them less than nothing; `raw` checks it, so a wrk that counts in another way is noticed.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import FAULTS

Histogram = NDArray[np.int64]  # how many latencies of so many microseconds

DUMP = """
done = function(summary, latency, requests)
  io.write(string.format("histogram %d %d\\n", summary.duration, summary.requests))
  for i = 1, #latency do io.write(string.format("%d %d\\n", latency(i))) end
end
"""
SUMMARY = re.compile(r"^histogram (\d+) (\d+)\n((?:\d+ \d+\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run found; latencies in seconds."""

    rate: float  # requests a second
    mean: float
    p50: float
    p99: float
    longest: float
    cpu: float  # seconds of the client's processor time per request


def load(url: str, connections: int, seconds: int) -> Figures:
    """Run `wrk -t1`; `ValueError` where a request failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(DUMP)
        script.flush()
        words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", script.name, url]
        before = os.times()
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    if fault := FAULTS.search(text):
        raise ValueError(fault[1].strip())
    runtime, completed, corrected = parse(text)
    latencies = raw(corrected, runtime // (completed // connections), completed)
    return Figures(completed / runtime * 1e6, *summary(latencies), cpu / completed)


def parse(text: str) -> tuple[int, int, Histogram]:
    """Microseconds, completed requests and the corrected histogram, as `DUMP` writes them."""
    found = SUMMARY.search(text)
    if found is None:
        raise ValueError(f"wrk wrote no histogram: {text.strip()[-200:]!r}")
    lines = [tuple(map(int, line.split())) for line in found[3].splitlines()]
    histogram = np.zeros(max(value for value, _ in lines) + 1, dtype=np.int64)
    for value, count in lines:
        histogram[value] = count
    return int(found[1]), int(found[2]), histogram


def raw(corrected: Histogram, interval: int, completed: int) -> Histogram:
    """The histogram without wrk's correction."""
    latencies = corrected.copy()
    for value in range(len(corrected) - 1 - interval, interval, -1):
        latencies[value] -= latencies[value + interval :: interval].sum()
    if latencies.sum() != completed or latencies.min() < 0:
        raise ValueError(f"wrk's correction was not undone: {latencies.sum()} latencies of {completed} requests")
    return latencies


def summary(latencies: Histogram) -> tuple[float, float, float, float]:
    """Mean, p50, p99 and the longest, in seconds."""
    total = np.cumsum(latencies)
    mean = float(np.dot(latencies, np.arange(len(latencies))) / total[-1])
    p50, p99 = (float(np.searchsorted(total, share * total[-1])) for share in (0.5, 0.99))
    return mean / 1e6, p50 / 1e6, p99 / 1e6, (len(latencies) - 1) / 1e6
