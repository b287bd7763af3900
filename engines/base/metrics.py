"""The counters and histograms of one replica, exposed for Prometheus."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
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


class Metrics:
    """One registry per application, so that several can live in one process."""

    def __init__(self, engine: str, replica: str, bus: Bus | None = None) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(BusCollector(bus or NoBus(), engine, replica))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        names = ("engine", "replica")
        Gauge(
            "nautilus_engine_info",
            "1; kernels says what computes: numba or numpy.",
            (*names, "kernels"),
            registry=self.registry,
        ).labels(engine, replica, compiled.PATH).set(1)
        self._requests = Counter(
            "nautilus_requests", "Requests answered.", (*names, "route", "status"), registry=self.registry
        )
        self._latency = Histogram(
            "nautilus_request_seconds",
            "Time from the request's headers to the end of the reply.",
            (*names, "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._computations = Counter(
            "nautilus_computations", "Portfolios, checks or factor values computed.", names, registry=self.registry
        ).labels(engine, replica)
        self._identity = (engine, replica)
        # labels() takes a lock and formats its values: looked up once per route and status, not once per request.
        self._requests_of: dict[tuple[str, int], Counter] = {}
        self._latency_of: dict[str, Histogram] = {}

    def observe(self, route: str, status: int, seconds: float) -> None:
        key = (route, status)
        if key not in self._requests_of:
            self._requests_of[key] = self._requests.labels(*self._identity, route, str(status))
            self._latency_of[route] = self._latency.labels(*self._identity, route)
        self._requests_of[key].inc()
        self._latency_of[route].observe(seconds)

    def computed(self, count: int) -> None:
        self._computations.inc(count)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
