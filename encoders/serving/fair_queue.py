"""Requests in line for the encoder, cut into pieces and served in turns, so that a short one waits for no long one.

Source: deficit round robin (Shreedhar and Varghese, SIGCOMM 1995), with pieces of about equal size in the
place of a deficit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from encoders.core.base import Vectors
from encoders.core.batching import cut


def estimated_tokens(text: str, max_tokens: int) -> int:
    """About how many tokens a text has, before it is tokenised: a quarter of its UTF-8 bytes, two special ones.

    Only how texts are shared out depends on it; the encoder cuts by the tokens themselves.
    """
    return min(2 + len(text.encode("utf-8", "replace")) // 4, max_tokens)


class Request:
    """Texts that somebody waits for, together. The queue's owner holds its lock around every call."""

    def __init__(self, texts: Sequence[str], tokens: Sequence[int], grain: int, dim: int, now: float) -> None:
        """tokens: estimates. grain: tokens of a piece. now: when it came (s)."""
        self.texts, self.since, self.begun = texts, now, False
        self.future: Future[Vectors] = Future()
        cuts = cut(tokens, grain, padded=False)
        self.pieces = deque(Piece(self, part, sum(tokens[i] for i in part)) for part in cuts)
        self._vectors = np.empty((len(texts), dim), dtype=np.float32)
        self._left = len(texts)
        if not texts:
            self.future.set_result(self._vectors)

    def begin(self) -> bool:
        """True where somebody still waits for it: it was not cancelled and no piece of it has failed."""
        if self.begun:
            return not self.future.done()
        self.begun = True
        return self.future.set_running_or_notify_cancel()

    def deliver(self, indices: Sequence[int], vectors: Vectors) -> None:
        """Rows of some of its texts; with the last of them it is done."""
        if not self.future.done():
            self._vectors[indices] = vectors
            self._left -= len(indices)
            if not self._left:
                self.future.set_result(self._vectors)

    def fail(self, error: BaseException) -> None:
        """End it, where it has not ended; the pieces that are in line still leave it by themselves."""
        if self.begin():
            self.future.set_exception(error)


@dataclass(frozen=True, slots=True)
class Piece:
    """Texts of one request, by index, of like length; tokens: their estimates' sum."""

    request: Request
    indices: list[int]
    tokens: int

    @property
    def texts(self) -> list[str]:
        """The texts, in the order of the indices."""
        return [self.request.texts[index] for index in self.indices]


class FairQueue:
    """Requests in turns, one piece each. Knows no thread: its owner locks."""

    def __init__(self) -> None:
        self._line: deque[Request] = deque()
        self.texts = self.tokens = 0
        # Seconds from coming to being begun, of all that were.
        self.waited_s = 0.0

    @property
    def oldest(self) -> float | None:
        """When the longest waiting request came of which nothing was taken yet; None where there is none."""
        return min((request.since for request in self._line if not request.begun), default=None)

    def add(self, request: Request) -> None:
        """Get in line."""
        self._line.append(request)
        self.texts += len(request.texts)
        self.tokens += sum(piece.tokens for piece in request.pieces)

    def take(self, budget: int, now: float) -> list[Piece]:
        """The next pieces, together within so many tokens, at least one where any is wanted.

        Who cancelled, or failed elsewhere, leaves the line. now: on the clock by which they came (s).
        """
        taken: list[Piece] = []
        room = budget
        while self._line:
            request = self._line[0]
            if taken and request.pieces[0].tokens > room:
                break
            self._line.popleft()
            wait = 0.0 if request.begun else now - request.since
            if not request.begin():
                self._forget(request)
                continue
            taken.append(piece := request.pieces.popleft())
            self._less(piece)
            self.waited_s += wait
            room -= piece.tokens
            if request.pieces:
                self._line.append(request)
        return taken

    def clear(self) -> None:
        """Send everyone away."""
        self._line.clear()
        self.texts = self.tokens = 0

    def _forget(self, request: Request) -> None:
        for piece in request.pieces:
            self._less(piece)
        request.pieces.clear()

    def _less(self, piece: Piece) -> None:
        self.texts -= len(piece.indices)
        self.tokens -= piece.tokens
