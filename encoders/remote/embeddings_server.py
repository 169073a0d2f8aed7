"""Asking an embeddings server: time-outs, retries, a bound of connections, and a rest for one that is away.

What may pass by itself is tried again: 429, 5xx, time-outs, lost connections, after pauses that double, shortened at
random by up to a half, or as long as Retry-After says (RFC 9110, 10.2.3). Then a circuit breaker gives the server
its rest. What is wrong with a request comes back at once, for whoever halves batches to find the text it is of.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from random import Random

import httpx

from encoders.core.base import EncoderError
from encoders.remote.circuit import Circuit

# A line for each request would drown all others.
logging.getLogger("httpx").setLevel(logging.WARNING)

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
CONNECT_S = 5.0
TRANSIENT = {408, 425, 429}
# Of a request's content; whoever asked finds out of which text.
REFUSED = {400, 413, 422}
ADVICE = {
    401: "set INTERESTFLOW_ENCODER_REMOTE_API_KEY to a key that it takes",
    403: "set INTERESTFLOW_ENCODER_REMOTE_API_KEY to a key that may use this model",
    404: "check INTERESTFLOW_ENCODER (with its /v1) and INTERESTFLOW_ENCODER_REMOTE_MODEL",
    413: "shorten the text, or lower INTERESTFLOW_ENCODER_REMOTE_BATCH where any request is too large for it",
}
ELSE = "shorten the text where it is too long for the model, or check the settings of the remote encoder"


class RemoteRefusedError(EncoderError):
    """The server takes no such request: one of its texts is too long, say."""


class RemoteAwayError(EncoderError):
    """The server does not answer, or is overloaded; it may be well again later."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and what to ask. url: with its /v1. dimensions: asked of models that can shorten vectors."""

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    dimensions: int | None = None

    def __str__(self) -> str:
        return f"the embeddings server {self.url}"


class Server:
    """One endpoint. Any thread may ask."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeout_s: float,
        connections: int,
        retries: int,
        circuit: Circuit,
        rng: Random,
        sleep: Callable[[float], object],
    ) -> None:
        """retries: of one request. Raises EncoderError where the endpoint cannot be one."""
        self.endpoint, self.retries, self.circuit = endpoint, retries, circuit
        self._rng, self._sleep = rng, sleep
        self._client = _client(endpoint, timeout_s, connections)
        self.counts, self._lock = {"requests": 0, "retries": 0, "not_sent": 0}, threading.Lock()

    def post(self, body: bytes) -> bytes:
        """The answer to a body of JSON. Raises RemoteRefusedError, RemoteAwayError, EncoderError."""
        if (left := self.circuit.enter()) > 0:
            self._count("not_sent")
            raise RemoteAwayError(f"{self.endpoint} has failed so often that it rests for {left:.0f} s more")
        pause, attempt = FIRST_PAUSE_S, 0
        while True:
            answer, after = self._attempt(body)
            if isinstance(answer, bytes):
                return answer
            wait_s = pause * self._rng.uniform(0.5, 1.0) if after is None else after
            if attempt == self.retries or wait_s > LONGEST_PAUSE_S:
                self.circuit.failed()
                raise RemoteAwayError(f"{answer} (attempt {attempt + 1}): reach the server, or give it room")
            self._count("retries")
            self._sleep(wait_s)
            pause, attempt = 2 * pause, attempt + 1

    def _attempt(self, body: bytes) -> tuple[bytes | str, float | None]:
        """The answer, or what may pass by itself and the seconds that the server asks for. Raises EncoderError."""
        self._count("requests")
        try:
            response = self._client.post("embeddings", content=body)
        except httpx.RequestError as error:
            return f"{self.endpoint} does not answer ({type(error).__name__}: {error})", None
        status = response.status_code
        if status in TRANSIENT or status >= 500:
            return f"{self.endpoint} answers {self._said(response)}", _retry_after(response)
        self.circuit.succeeded()
        if response.is_success:
            return response.content, None
        kind = RemoteRefusedError if status in REFUSED else EncoderError
        raise kind(f"{self.endpoint} answers {self._said(response)}: {ADVICE.get(status, ELSE)}")

    def _said(self, response: httpx.Response) -> str:
        """Status and the beginning of what came with it, without the key, should the server repeat it."""
        text = response.text
        if self.endpoint.api_key:
            text = text.replace(self.endpoint.api_key, "***")
        return f"{response.status_code} {' '.join(text[:200].split())}"

    def _count(self, kind: str) -> None:
        with self._lock:
            self.counts[kind] += 1

    def close(self) -> None:
        """Leave its connections."""
        self._client.close()


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, given as such or as a date beside the server's own."""
    given = response.headers.get("retry-after", "")
    if given.isdecimal():
        return float(given)
    try:
        now = parsedate_to_datetime(response.headers["date"])
        return max(0.0, (parsedate_to_datetime(given) - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def _client(endpoint: Endpoint, timeout_s: float, concurrency: int) -> httpx.Client:
    try:
        url = httpx.URL(endpoint.url)
    except httpx.InvalidURL as error:
        raise EncoderError(f"INTERESTFLOW_ENCODER is no URL that can be asked: {error}") from error
    if not url.host:
        raise EncoderError(f"INTERESTFLOW_ENCODER names no host: {endpoint.url}")
    if url.userinfo or url.query:
        raise EncoderError(
            "INTERESTFLOW_ENCODER must hold no user, password or query, since settings are printed: give a key in "
            "INTERESTFLOW_ENCODER_REMOTE_API_KEY"
        )
    if endpoint.api_key and not (endpoint.api_key.isascii() and endpoint.api_key.isprintable()):
        # What goes into a header unchecked is repeated in the error about it.
        raise EncoderError(
            "INTERESTFLOW_ENCODER_REMOTE_API_KEY holds a line break or the like: give the bare key"
        )
    headers = {"content-type": "application/json"}
    if endpoint.api_key:
        headers["authorization"] = f"Bearer {endpoint.api_key}"
    return httpx.Client(
        base_url=url,
        headers=headers,
        timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
    )
