"""Every metric, and the endpoints that show them. Metrics wrap what they measure and never steer it.

No label carries a user or item id: label values are outcomes, reasons, stages and topics.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LAG_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 600, 3600, 86_400, 864_000)
SIZES = (1, 10, 100, 250, 500, 1000, 2500, 5000, 10_000)


class Metrics:
    """One registry per worker, so that tests and several workers in a process do not share counts."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        name = "interestflow_"
        self.events = Counter(name + "events", "Canonical events by outcome", ["outcome"], registry=registry)
        self.ingested = Counter(
            name + "ingested", "Source records by topic and outcome", ["topic", "outcome"], registry=registry
        )
        self.rejected = Counter(
            name + "rejected", "Rejected records by stage and reason", ["stage", "reason"], registry=registry
        )
        self.items = Counter(name + "items", "Catalogue items by outcome", ["outcome"], registry=registry)
        self.batch_events = Histogram(
            name + "batch_events", "Events per partition batch", ["stage"], buckets=SIZES, registry=registry
        )
        self.seconds = Histogram(
            name + "stage_seconds",
            "Seconds per batch and stage",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.errors = Counter(
            name + "stage_errors", "Batches that failed, by stage", ["stage"], registry=registry
        )
        self.cache = Counter(
            name + "encoder_cache",
            "Texts asked of the encoder, by cache result",
            ["result"],
            registry=registry,
        )
        self.tokens = Counter(name + "encoder_tokens", "Tokens encoded, by kind", ["kind"], registry=registry)
        self.event_lag = Histogram(
            name + "event_time_lag_seconds",
            "Publish time minus event time, newest event of a batch",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        self.latency = Histogram(
            name + "end_to_end_seconds",
            "Broker record time to delivered vector, oldest event of a batch",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        self.consumer_lag = Gauge(
            name + "consumer_lag_records",
            "Records not yet processed",
            ["topic", "partition"],
            registry=registry,
        )
        self.users = Gauge(name + "users", "Users in the state", ["partition"], registry=registry)
        self.catalog = Gauge(
            name + "catalog_items", "Items in the catalogue, by visibility", ["visibility"], registry=registry
        )
        self.waiting = Gauge(
            name + "waiting_events", "Events that wait for their item", ["partition"], registry=registry
        )
        self.published = Counter(
            name + "published", "Records published, by topic", ["topic"], registry=registry
        )
        self.recovered = Gauge(
            name + "recovered_users",
            "Users read back by the recovery under way or last done",
            registry=registry,
        )

    @contextmanager
    def observe(self, stage: str) -> Iterator[None]:
        """Time a stage and count its failures."""
        started = time.perf_counter()
        try:
            yield
        except BaseException:
            self.errors.labels(stage).inc()
            raise
        finally:
            self.seconds.labels(stage).observe(time.perf_counter() - started)

    def book(self, outcomes: Mapping[str, int]) -> None:
        """Count a batch's outcomes; `waiting` may fall and is a gauge of its own."""
        for outcome, count in outcomes.items():
            if outcome.startswith("rejected."):
                self.rejected.labels("update", outcome.removeprefix("rejected.")).inc(count)
            elif outcome != "waiting" and count > 0:
                self.events.labels(outcome).inc(count)


class Health:
    """What /livez and /readyz answer: alive unless it says otherwise, ready once it says so."""

    def __init__(self) -> None:
        self.alive = True
        self.ready = False
        self.reason = "starting"

    def set_ready(self, ready: bool, reason: str = "") -> None:
        """reason: why not, for the person who asks."""
        self.ready, self.reason = ready, reason


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # the base class's name
        """A probe every few seconds is not worth a log line."""


def serve(metrics: Metrics, health: Health, host: str, port: int) -> tuple[Callable[[], None], int]:
    """Serve /metrics, /livez and /readyz; returns how to stop it, and the port (for port 0)."""
    show_metrics = make_wsgi_app(metrics.registry)

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            shown: Iterable[bytes] = show_metrics(environ, start)
            return shown
        states = {"/livez": (health.alive, "alive"), "/readyz": (health.ready, "ready")}
        good, word = states.get(path, (False, ""))
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE if word else HTTPStatus.NOT_FOUND
        start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{word if good else health.reason or 'not found'}\n".encode()]

    server = make_server(host, port, answer, server_class=_Server, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop, server.server_port
