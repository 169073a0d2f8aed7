"""Text vectors from a server with the OpenAI API: POST {base}/embeddings (vLLM, TEI, Infinity, hosted ones).

How a server is asked, again if need be, is in `embeddings_server`.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from hashlib import blake2b
from random import Random
from typing import Any

import msgspec
import numpy as np

from encoders.core.base import EncoderError, Vectors, encodable
from encoders.core.options import EncoderOptions
from encoders.remote.circuit import Circuit
from encoders.remote.embeddings_server import Endpoint, RemoteRefusedError, Server

# Seconds that a server which keeps failing is left alone.
REST_S = 10.0
# Requests in a row that fail, for all their retries, until it is: more than halving the largest batch (100,000 texts)
# down to one on which the server breaks or hangs, so that such a text is found and not taken for a server that is gone.
FAILURES = 20
KNOWN_GOOD = "red mug"


class _Row(msgspec.Struct):
    index: int
    embedding: str | list[float]


class _Answer(msgspec.Struct):
    data: list[_Row]


class RemoteEncoder:
    """A model behind an embeddings server. Any thread may call."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        revision: str = "",
        timeout_s: float = 30.0,
        concurrency: int = 4,
        texts_per_request: int = 32,
        retries: int = 3,
        failures_to_rest: int = FAILURES,
        rng: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Asks the server for one vector, to learn its dimension. Raises EncoderError.

        revision: of the model, by whoever runs the server. A server says only its model's name, and vectors vary in
        their last bits from one batch to the next, so that no hash of some can tell two models apart: equal
        names, revisions and dimensions mean one space, wherever it is served. timeout_s: for an answer.
        """
        self._endpoint, self._chunk = endpoint, texts_per_request
        circuit = Circuit(failures_to_rest, REST_S, clock)
        self._server = Server(endpoint, timeout_s, concurrency, retries, circuit, rng or Random(), sleep)
        self._pool = ThreadPoolExecutor(concurrency, "remote-encoder")
        try:
            self.dim = self._negotiate()
        except EncoderError:
            self.close()
            raise
        self.id = endpoint.model
        self.revision = blake2b(
            repr((endpoint.model, revision, self.dim)).encode(), digest_size=8
        ).hexdigest()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder, but a server may compute a text a little differently in another batch; a cache evens it out.

        Raises EncoderError where the server refuses a text (one too long, say) or answers nonsense,
        RemoteAwayError where it is away.
        """
        chunks = [texts[at : at + self._chunk] for at in range(0, len(texts), self._chunk)]
        futures = []
        for chunk in chunks:
            futures.append(self._pool.submit(self._encode, chunk))
            if not self._server.circuit.closed:
                futures[-1].result()  # one tries before the others go
        _, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
        for future in futures:
            if future.done() and not future.cancelled():
                future.result()  # raises the first chunk's error
        parts = [future.result() for future in futures]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)

    def counts(self) -> dict[str, dict[str, int]]:
        """Requests, those of them that were repeats, and those not sent since the server rests (see base.counts)."""
        return {"remote": dict(self._server.counts)}

    def close(self) -> None:
        """Leave the server's connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._server.close()

    def _negotiate(self) -> int:
        """Which form of numbers the server offers, and how many make a vector."""
        self._format, self.dim = "base64", self._endpoint.dimensions or 0
        try:
            vectors = self._encode([KNOWN_GOOD])
        except RemoteRefusedError:
            self._format = "float"
            vectors = self._encode([KNOWN_GOOD])
        return len(vectors[0])

    def _encode(self, texts: Sequence[str]) -> Vectors:
        """One request's vectors (B, dim)."""
        asked: dict[str, Any] = {
            "model": self._endpoint.model,
            "input": encodable(texts),
            "encoding_format": self._format,
        }
        if self._endpoint.dimensions:
            asked["dimensions"] = self._endpoint.dimensions
        return read_vectors(
            self._server.post(msgspec.json.encode(asked)), len(texts), self.dim, self._endpoint.model
        )


def read_vectors(body: bytes, count: int, dim: int, model: str) -> Vectors:
    """Unit rows (count, dim) by their index, from base64 or numbers. dim: 0 for any. Raises EncoderError."""
    try:
        rows = sorted(msgspec.json.decode(body, type=_Answer).data, key=lambda row: row.index)
        vectors = [_numbers(row.embedding) for row in rows]
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise EncoderError(
            f"the embeddings server's answer cannot be read ({error}): set INTERESTFLOW_ENCODER to the base of an "
            f"OpenAI-style API, with its /v1"
        ) from error
    if [row.index for row in rows] != list(range(count)):
        raise EncoderError(
            f"the embeddings server answers {len(rows)} vectors, not those of the {count} texts: check its version"
        )
    if len(found := {len(vector) for vector in vectors} | ({dim} if dim else set())) != 1:
        raise EncoderError(
            f"the embeddings server gives vectors of {sorted(found)} dimensions for {model}, where one is expected: it "
            f"serves another model now, or cannot shorten this one (INTERESTFLOW_ENCODER_REMOTE_DIMENSIONS)"
        )
    matrix = np.array(vectors, dtype=np.float64)
    norms = np.sqrt((matrix * matrix).sum(axis=1, keepdims=True))
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise EncoderError(
            f"the embeddings server gives zeros or no finite numbers for a text: check {model} there"
        )
    units: Vectors = (matrix / norms).astype(np.float32)
    return units


def _numbers(embedding: str | list[float]) -> Any:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    return embedding


def from_settings(options: EncoderOptions) -> RemoteEncoder:
    """A model behind the URL that the settings name as encoder. Raises EncoderError."""
    if options.remote_model is None:
        raise EncoderError(
            "a remote encoder needs INTERESTFLOW_ENCODER_REMOTE_MODEL, the model's name on its server"
        )
    return RemoteEncoder(
        Endpoint(
            options.name.removeprefix("remote:"),
            options.remote_model,
            options.remote_api_key,
            options.remote_dimensions,
        ),
        revision=options.revision or "",
        timeout_s=options.remote_timeout_s,
        concurrency=options.remote_concurrency,
        texts_per_request=options.remote_batch,
    )
