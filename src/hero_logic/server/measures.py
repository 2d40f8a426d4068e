"""What is counted while a server runs, for Prometheus at ``GET /metrics``.

Counting is two additions to plain numbers; the official client library makes the page from them when it is
asked for. Its own counters take a lock each, which is more than all the rest of a small call's bookkeeping.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Measures(Collector):
    """The numbers of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls: dict[tuple[str, str], int] = {}
        self._seconds: dict[str, _Histogram] = {}
        self._answers: dict[tuple[str, int], int] = {}
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def call(self, method: str, took_s: float, code: str) -> None:
        """A call of JSON-RPC was done; ``code`` is that of its error, or ""."""
        key = (method, code)
        self._calls[key] = self._calls.get(key, 0) + 1
        histogram = self._seconds.get(method)
        if histogram is None:
            histogram = self._seconds[method] = _Histogram()
        histogram.add(took_s)

    def answered(self, route: str, status: int) -> None:
        """A request of HTTP was answered."""
        key = (route, status)
        self._answers[key] = self._answers.get(key, 0) + 1

    def gauge(self, name: str, says: str, read: Callable[[], float]) -> None:
        """A number that is read when the page is made."""
        self._gauges.append((name, says, read))

    def page(self) -> bytes:
        """The page, in the text format of Prometheus."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for."""
        calls = CounterMetricFamily(
            "hero_logic_rpc_calls", "Calls of JSON-RPC, by method and error code.", labels=["method", "code"]
        )
        for (method, code), count in list(self._calls.items()):
            calls.add_metric([method or "unknown", code], count)
        yield calls
        seconds = HistogramMetricFamily(
            "hero_logic_rpc_seconds", "How long calls of JSON-RPC took, by method.", labels=["method"]
        )
        for method, histogram in list(self._seconds.items()):
            seconds.add_metric([method or "unknown"], histogram.buckets(), histogram.total_s)
        yield seconds
        answers = CounterMetricFamily(
            "hero_logic_http_answers", "Answers of HTTP, by route and status.", labels=["route", "status"]
        )
        for (route, status), count in list(self._answers.items()):
            answers.add_metric([route, str(status)], count)
        yield answers
        for name, says, read in self._gauges:
            yield GaugeMetricFamily(name, says, value=read())


class _Histogram:
    __slots__ = ("_counts", "total_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_S) + 1)
        self.total_s = 0.0

    def add(self, took_s: float) -> None:
        self._counts[bisect_left(_BOUNDS_S, took_s)] += 1
        self.total_s += took_s

    def buckets(self) -> list[tuple[str, float]]:
        """How many took at most so long, for each bound."""
        found = []
        count = 0
        for bound, more in zip((*map(str, _BOUNDS_S), "+Inf"), self._counts, strict=True):
            count += more
            found.append((bound, float(count)))
        return found
