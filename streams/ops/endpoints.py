"""What a worker answers over HTTP: /metrics, and whether it is alive and ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from streams.settings.errors import UserError


class Shown(Protocol):
    """What /metrics shows."""

    @property
    def registry(self) -> CollectorRegistry:
        """All metrics."""


class Probed(Protocol):
    """What the probes ask."""

    @property
    def alive(self) -> bool:
        """What /livez answers."""

    def readiness(self) -> tuple[bool, str]:
        """What /readyz answers, and why not."""


class Health:
    """What /livez and /readyz answer: alive unless it says otherwise, ready once it says so and nothing pauses."""

    def __init__(self) -> None:
        self.alive = True
        self.ready = False
        self.reason = "starting"
        self._paused: dict[str, str] = {}

    def set_ready(self, ready: bool, reason: str = "") -> None:
        """reason: why not, for the person who asks."""
        self.ready, self.reason = ready, reason

    def pause(self, stage: str, reason: str) -> None:
        """Not ready until `resume`, whatever else is said."""
        self._paused[stage] = reason

    def resume(self, stage: str) -> None:
        """Take a pause back."""
        self._paused.pop(stage, None)

    def readiness(self) -> tuple[bool, str]:
        """What /readyz answers, and why not."""
        paused = "; ".join(list(self._paused.values()))
        return self.ready and not paused, paused or self.reason


class PortError(UserError):
    """The address of the metrics cannot be listened on; the message names the settings."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # the base class's name
        """A probe every few seconds is not worth a log line."""


def serve(metrics: Shown, health: Probed, host: str, port: int) -> tuple[Callable[[], None], int]:
    """Serve /metrics, /livez and /readyz; returns how to stop it, and the port (for port 0).

    Raises PortError where the address cannot be listened on.
    """
    answer = _answering(metrics, health)
    try:
        server = make_server(host, port, answer, server_class=_Server, handler_class=_Quiet)
    except OSError as error:
        raise PortError(
            f"cannot serve metrics on {host}:{port} ({error.strerror or error}): set INTERESTFLOW_METRICS_PORT to a "
            f"free port, or to 0 for any, and INTERESTFLOW_METRICS_HOST to an address of this machine"
        ) from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop, server.server_port


def _answering(metrics: Shown, health: Probed) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """The WSGI application."""
    show_metrics = make_wsgi_app(metrics.registry)

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            shown: Iterable[bytes] = show_metrics(environ, start)
            return shown
        ready, reason = health.readiness()
        states = {"/livez": (health.alive, "alive"), "/readyz": (ready, "ready")}
        good, word = states.get(path, (False, ""))
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE if word else HTTPStatus.NOT_FOUND
        start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{word if good else reason or 'not found'}\n".encode()]

    return answer
