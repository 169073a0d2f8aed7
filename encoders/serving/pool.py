"""One encoder for many callers: worker threads, micro-batches across requests, and a bounded queue.

A batch grows with the lag: an idle worker takes a request at once, and while all are busy, what comes in
the meantime is joined, up to the token budget. A request that is alone is shared out among the workers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from encoders.core.base import Encoder, EncoderError, Vectors
from encoders.serving.fair_queue import FairQueue, Piece, Request, estimated_tokens

# Pieces of a full batch: small enough to take turns, large enough to run at full speed (128 tokens on a core).
GRAINS = 8
CLOSE_S = 5.0


class BackpressureError(EncoderError):
    """The queue is full; try again after `retry_after` seconds, an estimate from what was encoded so far."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the encoder's queue is full: try again in {retry_after:.1f} s")
        self.retry_after = retry_after


class PoolClosedError(EncoderError):
    """The pool was closed before the texts were encoded."""

    def __init__(self) -> None:
        super().__init__("the encoder was closed before these texts were encoded: ask another one")


@dataclass(slots=True)
class PoolStats:
    """Cumulative counts. joined: batches of more than one request. again: batches that failed together, and
    were tried request by request. tokens: estimated, of the batches; busy_s: seconds of the workers in them."""

    requests: int = 0
    pushed_back: int = 0
    batches: int = 0
    texts: int = 0
    tokens: int = 0
    joined: int = 0
    again: int = 0
    busy_s: float = 0.0


class EncoderPool:
    """An encoder that any thread may call; `inner` is shared, and must bear to be called by every worker at once.

    Torch's number of threads is each thread's own, and a new thread begins with what was set last in the
    process: an encoder that sets it when it is built, before its pool is, has set it for the workers.
    """

    def __init__(
        self,
        inner: Encoder,
        *,
        workers: int = 1,
        batch_tokens: int = 1024,
        max_tokens: int = 256,
        queue_texts: int = 16_384,
        linger_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """batch_tokens: estimated, of a joint batch. max_tokens: of a text, at most. queue_texts: from so many waiting
        texts on nobody is let in. linger_s: how long the first text waits at most for a batch to fill.
        """
        if min(workers, batch_tokens, max_tokens, queue_texts) < 1 or linger_s < 0:
            raise ValueError(
                "a pool needs a worker, a budget and room for a text, and does not wait backwards"
            )
        self.inner, self.id, self.revision, self.dim = inner, inner.id, inner.revision, inner.dim
        self.workers, self.batch_tokens, self.max_tokens = workers, batch_tokens, max_tokens
        self.queue_texts, self.linger_s, self._clock = queue_texts, linger_s, clock
        self.stats = PoolStats()
        self._grain = max(1, batch_tokens // GRAINS)
        self._queue, self._closing = FairQueue(), False
        self._open: set[Request] = set()
        self._idle = 0
        # May be taken again by the same thread: whoever gets a result may submit what is next, in a callback.
        lock = threading.RLock()
        self._work, self._room = threading.Condition(lock), threading.Condition(lock)
        # Daemons: a device that hangs must not keep the process from ending.
        self._threads = [
            threading.Thread(target=self._serve, name=f"encoder-{n}", daemon=True) for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder. Waits where the queue is full: its caller's thread has nothing better to do."""
        request = self._request(texts)
        with self._room:
            self._room.wait_for(lambda: self._closing or self._queue.texts < self.queue_texts)
            self._enter(request)
        return request.future.result()

    def submit(self, texts: Sequence[str]) -> Future[Vectors]:
        """The same to come; cancel it while nothing of it has begun. Never blocks, so that an event loop may call.

        Raises BackpressureError where the queue is full, PoolClosedError.
        """
        request = self._request(texts)
        with self._room:
            if self._queue.texts >= self.queue_texts and not self._closing:
                self.stats.pushed_back += 1
                raise BackpressureError(self._retry_after())
            self._enter(request)
        return request.future

    @property
    def queued(self) -> int:
        """Texts that wait."""
        return self._queue.texts

    def counts(self) -> dict[str, dict[str, int]]:
        """Requests, and the batches made of them (see base.counts)."""
        stats = self.stats
        batches = {
            "batches": stats.batches,
            "texts": stats.texts,
            "joined": stats.joined,
            "again": stats.again,
        }
        return {"queue": {"requests": stats.requests, "pushed_back": stats.pushed_back, **batches}}

    def timings(self) -> dict[str, dict[str, float]]:
        """Seconds from requests' coming to their first batch, and of the workers in batches (see base.timings)."""
        return {"queue_seconds": {"waited": self._queue.waited_s, "busy": self.stats.busy_s}}

    def close(self, deadline_s: float = CLOSE_S) -> None:
        """Let nobody in any more, and finish what is there; what is not done at the deadline gets PoolClosedError."""
        end = self._clock() + deadline_s
        with self._work:
            self._closing = True
            self._work.notify_all()
            self._room.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, end - self._clock()))
        with self._work:
            self._queue.clear()
            for request in list(self._open):
                request.fail(PoolClosedError())

    # --- the line; the lock is held -------------------------------------------------------------------------

    def _request(self, texts: Sequence[str]) -> Request:
        tokens = [estimated_tokens(text, self.max_tokens) for text in texts]
        return Request(texts, tokens, self._grain, self.dim, self._clock())

    def _enter(self, request: Request) -> None:
        if self._closing:
            raise PoolClosedError
        self.stats.requests += 1
        if request.texts:
            self._open.add(request)
            request.future.add_done_callback(lambda _: self._open.discard(request))
            self._queue.add(request)
            self._work.notify()

    def _retry_after(self) -> float:
        stats = self.stats
        speed = stats.tokens / stats.busy_s * self.workers if stats.busy_s else 0.0
        return self._queue.tokens / speed if speed else 1.0

    # --- the workers ------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while batch := self._next():
            started = self._clock()
            self._run(batch)
            with self._work:
                self.stats.busy_s += self._clock() - started
                self.stats.tokens += sum(piece.tokens for piece in batch)

    def _next(self) -> list[Piece]:
        """The next batch; none once the pool closes and nothing is left."""
        with self._work:
            while True:
                self._idle += 1
                self._work.wait_for(lambda: self._closing or self._queue.texts)
                self._idle -= 1
                if not self._queue.texts:
                    return []
                self._linger()
                # Who else is idle gets a share; for less than a grain it is not worth to wake them.
                share = max(self._grain, -(-self._queue.tokens // (self._idle + 1)))
                if batch := self._queue.take(min(self.batch_tokens, share), self._clock()):
                    self._book(batch)
                    return batch

    def _linger(self) -> None:
        oldest = self._queue.oldest
        left = self.linger_s - (self._clock() - oldest) if self.linger_s and oldest is not None else 0.0
        if left > 0:
            self._work.wait_for(lambda: self._closing or self._queue.tokens >= self.batch_tokens, left)

    def _book(self, batch: list[Piece]) -> None:
        stats = self.stats
        stats.batches += 1
        stats.texts += sum(len(piece.indices) for piece in batch)
        stats.joined += len({piece.request for piece in batch}) > 1
        if self._queue.texts:
            self._work.notify()
        self._room.notify_all()

    def _run(self, batch: list[Piece]) -> None:
        try:
            vectors = self._encode([text for piece in batch for text in piece.texts])
        except BaseException as error:  # to whoever waits for it, and each for its own
            self._apart(batch, error)
            return
        row = 0
        with self._work:
            for piece in batch:
                piece.request.deliver(piece.indices, vectors[row : (row := row + len(piece.indices))])

    def _apart(self, batch: list[Piece], error: BaseException) -> None:
        """A batch that failed, request by request."""
        of = {piece.request: [p for p in batch if p.request is piece.request] for piece in batch}
        if len(of) > 1:
            with self._work:
                self.stats.again += 1
            for pieces in of.values():
                self._run(pieces)
        else:
            with self._work:
                batch[0].request.fail(error)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        vectors = self.inner.encode(texts)
        if vectors.shape != (len(texts), self.dim):
            raise EncoderError(
                f"{self.id} gave an array of {vectors.shape} for {len(texts)} texts of {self.dim} dimensions"
            )
        return vectors
