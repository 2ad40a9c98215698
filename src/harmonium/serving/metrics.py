"""Figures for Prometheus."""

import os
from typing import final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@final
class Metrics:
    """What a service counts; one registry an application, so that tests do not share figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("harmonium_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "harmonium_request_seconds", "Time to answer.", ("route",), buckets=SECONDS, registry=self.registry
        )
        self._swaps = Counter("harmonium_model_swaps", "Models taken over.", registry=self.registry)
        self._refusals = Counter("harmonium_model_refusals", "Model files refused.", registry=self.registry)
        self._under_way = Gauge(
            "harmonium_requests_under_way",
            "Requests being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._cells: dict[tuple[str, str, int], tuple] = {}

    def began(self) -> None:
        """Count a request that begins."""
        self._under_way.inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that ended.

        Parameters
        ----------
        method : str
        route : str
            The pattern of the address, so that there are few of them.
        status : int
        seconds : float
        """
        self._under_way.dec()
        cell = self._cells.get((method, route, status))
        if cell is None:
            cell = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._cells[method, route, status] = cell
        cell[0].inc()
        cell[1].observe(seconds)

    def swapped(self) -> None:
        """Count a model taken over."""
        self._swaps.inc()

    def refused(self) -> None:
        """Count a model file refused."""
        self._refusals.inc()

    def text(self) -> bytes:
        """All figures in Prometheus' text format, those of all processes added up where there are several."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)
        return generate_latest(together)
