"""The counters and histograms of one replica, exposed for Prometheus."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from engines.base import compiled
from engines.base.bus import STATES, Bus, NoBus

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
BUCKETS = (
    *(0.00005, 0.0001, 0.0002, 0.0005),
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 5.0),
)

disable_created_metrics()  # type: ignore[no-untyped-call]


BUS_COUNTERS = {
    "published": "Messages stored in a stream.",
    "rejected": "Messages refused before they were buffered.",
    "consumed": "Messages handled.",
    "failed": "Deliveries whose handler failed.",
    "duplicates": "Messages dropped because their id had been handled.",
    "claimed": "Messages taken over from a replica that did not handle them.",
    "dead_lettered": "Messages that became dead letters.",
}


class BusCollector(Collector):
    """What the bus counts, read when it is asked for: publishing pays nothing for it."""

    def __init__(self, bus: Bus, engine: str, replica: str) -> None:
        self._bus = bus
        self._identity = (engine, replica)

    def collect(self) -> Iterator[Metric]:
        names = ("engine", "replica")
        for name, text in BUS_COUNTERS.items():
            counter = CounterMetricFamily(f"nautilus_bus_{name}", text, labels=names)
            counter.add_metric(self._identity, getattr(self._bus.counters, name))
            yield counter
        dropped = CounterMetricFamily("nautilus_bus_dropped", "Messages lost.", labels=(*names, "priority"))
        for priority, count in self._bus.dropped.items():
            dropped.add_metric((*self._identity, priority.name.lower()), count)
        yield dropped
        buffered = GaugeMetricFamily("nautilus_bus_buffered", "Messages that are not stored yet.", labels=names)
        buffered.add_metric(self._identity, self._bus.buffered)
        yield buffered
        state = GaugeMetricFamily("nautilus_bus_state", "1 for the state that the bus is in.", labels=(*names, "state"))
        for name in STATES:
            state.add_metric((*self._identity, name), self._bus.state == name)
        yield state


class Latency:
    """The requests of one route: how many took up to each of BUCKETS, or longer, and all their seconds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """As Prometheus has it: each bucket holds those below it too."""
        bounds = [*map(str, BUCKETS), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(self._counts), strict=True)), self._seconds)


class RequestCollector(Collector):
    """What the event loop counts, which needs no lock; prometheus_client's own take two, and four times as long."""

    def __init__(self, engine: str, replica: str) -> None:
        self._identity = (engine, replica)
        self._latencies: defaultdict[str, Latency] = defaultdict(Latency)
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.computations = 0

    def observe(self, route: str, status: int, seconds: float) -> None:
        self._requests[route, status] += 1
        self._latencies[route].observe(seconds)

    def collect(self) -> Iterator[Metric]:
        names = ("engine", "replica")
        requests = CounterMetricFamily("nautilus_requests", "Requests answered.", labels=(*names, "route", "status"))
        for (route, status), count in self._requests.items():
            requests.add_metric((*self._identity, route, str(int(status))), count)
        yield requests
        text = "Time from the request's headers to the end of the reply."
        latency = HistogramMetricFamily("nautilus_request_seconds", text, labels=(*names, "route"))
        for route, found in self._latencies.items():
            found.add_to(latency, (*self._identity, route))
        yield latency
        text = "Portfolios, checks or factor values computed."
        computed = CounterMetricFamily("nautilus_computations", text, labels=names)
        computed.add_metric(self._identity, self.computations)
        yield computed


class Metrics:
    """One registry per application, so that several can live in one process."""

    def __init__(self, engine: str, replica: str, bus: Bus | None = None) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(BusCollector(bus or NoBus(), engine, replica))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        Gauge(
            "nautilus_engine_info",
            "1; kernels says what computes: numba or numpy.",
            ("engine", "replica", "kernels"),
            registry=self.registry,
        ).labels(engine, replica, compiled.PATH).set(1)
        self._requests = RequestCollector(engine, replica)
        self.registry.register(self._requests)
        self.observe = self._requests.observe

    def computed(self, count: int) -> None:
        """Only on the event loop, like `observe`."""
        self._requests.computations += count

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
