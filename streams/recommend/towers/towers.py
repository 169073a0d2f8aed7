"""Two vectors of each item, learned from what users use next: a two-tower model without a tower of the users' own.

A user is the faded mean of the `in` vectors of the last items; an item's score is the product with its `out` vector.
Both begin as the item's content. Each use is a step of a softmax over the item and drawn ones that were not used,
most of them as often as they are used, by AdaGrad with one rate for each vector.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt

from streams.items.slots import doubled
from streams.kernels.compiling import compiled
from streams.kernels.items import towers as kernels
from streams.recommend.base import Floats, Rows
from streams.recommend.learned.arithmetic import _exp

WORD = 2**64 - 1
# Newest used rows that the popular ones are drawn from.
LATELY = 4096
# Of a vector that no gradient has met.
FIRST = np.float32(1e-8)


class Towers:
    """Vectors by catalog row. Deterministic in the order of calls; not thread-safe."""

    def __init__(
        self, dim: int = 64, rate: float = 0.1, popular: int = 48, uniform: int = 16, fall: float = 0.9
    ) -> None:
        """dim: a multiple of 8. rate: of AdaGrad. popular, uniform: items drawn for each use, from the last uses and
        from all used items. fall: what the next older item counts of the one after it."""
        self.dim, self.rate, self.fall = dim, np.float32(rate), fall
        self._popular, self._uniform = popular, uniform
        self.ins: Floats = np.zeros((0, dim), dtype=np.float32)
        self.outs: Floats = np.zeros((0, dim), dtype=np.float32)
        self.in_squares = self.out_squares = np.zeros(0, dtype=np.float32)
        # Is told the rows whose vectors a step is about to move.
        self.before: Callable[[Rows], None] | None = None
        self._rows, self.uses, self._draws = 0, 0, 0
        self._lately: Rows = np.zeros(LATELY, dtype=np.int32)
        self._used: Rows = np.zeros(0, dtype=np.int32)
        self._known: set[int] = set()

    def __len__(self) -> int:
        return self._rows

    def grow(self, vectors: Floats) -> None:
        """Rows that are not there yet begin as `starts` of their content (n, d) says."""
        first, self._rows = self._rows, max(len(vectors), self._rows)
        if first == self._rows:
            return
        for name in ("ins", "outs", "in_squares", "out_squares"):
            setattr(self, name, doubled(getattr(self, name), self._rows))
        start = starts(vectors[first:], self.dim)
        for name in ("ins", "outs"):
            getattr(self, name)[first : self._rows] = start
        self.in_squares[first : self._rows] = self.out_squares[first : self._rows] = FIRST

    def interest(self, history: Rows) -> Floats:
        """(dim,) of a user whose last items (h,), newest first, are these."""
        found: Floats = np.zeros(self.dim, dtype=np.float32)
        parts = self._parts(len(history))
        if compiled():
            kernels.interest(self.ins, history, parts, found)
            return found
        for row, part in zip(history, parts, strict=True):
            found += part * self.ins[row]
        return found

    def products(self, interest: Floats, rows: Rows) -> Floats:
        """(c,) scores of these rows."""
        if compiled():
            found: Floats = np.empty(len(rows), dtype=np.float32)
            kernels.products(interest, self.outs, np.ascontiguousarray(rows), found)
            return found
        return _dots(interest, self.outs[rows])

    def learn(self, history: Rows, used: Collection[int]) -> None:
        """These items were used after those of `history` (h,), newest first."""
        rows = _rising(used)
        self._teach(history, rows)
        self._remember(rows)

    def learn_together(self, history: Rows, used: Collection[int], last: int) -> None:
        """These items were used in one visit: each of them after the others and then those of `history` (h,).

        last: items that count, at most. The order within the visit is that of the rows, the largest first.
        """
        rows = _rising(used)
        for place in range(len(rows)):
            others = np.delete(rows, place)[::-1]
            self._teach(np.concatenate((others, history))[:last], rows[place : place + 1])
        self._remember(rows)

    def _teach(self, history: Rows, rows: Rows) -> None:
        if not (len(history) and len(rows) and self.uses):
            return
        drawn = np.concatenate((rows[:, None], self._drawn(len(rows))), axis=1)
        if self.before is not None:
            self.before(history)
            self.before(drawn.reshape(-1))
        state = (self.ins, self.outs, self.in_squares, self.out_squares)
        (kernels.teach if compiled() else _teach)(
            *state, history, self._parts(len(history)), np.ascontiguousarray(drawn), self.rate
        )

    def begin(self, popular: Rows, used: Rows) -> None:
        """Where nothing was drawn yet: draw from these rows (LATELY,) as from the last uses, and from all used ones."""
        self._lately[:], self.uses = popular, LATELY
        self.meet(used)

    def meet(self, used: Rows) -> None:
        """These items were used elsewhere."""
        for row in used.tolist():
            self._know(row)

    def read(self, rows: Rows) -> tuple[Floats, Floats]:
        """(n, 2, dim) in and out vectors, and (n, 2) AdaGrad's sums."""
        vectors = np.stack((self.ins[rows], self.outs[rows]), axis=1)
        return vectors, np.stack((self.in_squares[rows], self.out_squares[rows]), axis=1)

    def write(self, rows: Rows, vectors: Floats, squares: Floats) -> None:
        """Set what `read` gives."""
        self.ins[rows], self.outs[rows] = vectors[:, 0], vectors[:, 1]
        self.in_squares[rows], self.out_squares[rows] = squares[:, 0], squares[:, 1]

    def _parts(self, number: int) -> Floats:
        """(h,) what each of the last items counts; they add up to 1."""
        steps = self.fall ** np.arange(number)
        parts: Floats = (steps / max(steps.sum(), 1.0)).astype(np.float32)
        return parts

    def _drawn(self, number: int) -> Rows:
        """(number, popular + uniform) rows that were used before, perhaps the same ones again."""
        width = self._popular + self._uniform
        numbers = _mixed(np.arange(self._draws, self._draws + number * width, dtype=np.uint64))
        self._draws += number * width
        numbers = (numbers >> np.uint64(33)).reshape(number, width).astype(np.int64)
        popular = self._lately[numbers[:, : self._popular] % min(self.uses, LATELY)]
        uniform = self._used[numbers[:, self._popular :] % len(self._known)]
        return np.concatenate((popular, uniform), axis=1)

    def _remember(self, rows: Rows) -> None:
        for row in rows.tolist():
            self._lately[self.uses % LATELY] = row
            self.uses += 1
            self._know(row)

    def _know(self, row: int) -> None:
        if row not in self._known:
            self._known.add(row)
            self._used = doubled(self._used, len(self._known))
            self._used[len(self._known) - 1] = row


def starts(vectors: Floats, dim: int) -> Floats:
    """(n, dim) at what the vectors of items with this content (n, d) begin: its first dimensions, at length 1."""
    width = min(dim, vectors.shape[1])
    first = vectors[:, :width].astype(np.float64)
    lengths = np.linalg.norm(first, axis=1, keepdims=True)
    found: Floats = np.zeros((len(vectors), dim), dtype=np.float32)
    found[:, :width] = np.divide(first, lengths, out=np.zeros_like(first), where=lengths > 0)
    return found


def _rising(rows: Collection[int]) -> Rows:
    return np.fromiter(sorted(rows), dtype=np.int32, count=len(rows))


def _mixed(h: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64 of each number."""
    h = (h + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


def _dots(one: Floats, others: Floats) -> Floats:
    """(c,) of (dim,) and (c, dim), added up as the kernel does."""
    terms = (others * one).reshape(len(others), len(one) // kernels.LANES, kernels.LANES)
    lanes: Floats = np.zeros((len(others), kernels.LANES), dtype=np.float32)
    for part in range(terms.shape[1]):
        lanes += terms[:, part]
    a, b, c, d, e, f, g, h = lanes.T
    found: Floats = ((a + e) + (c + g)) + ((b + f) + (d + h))
    return found


def _teach(
    ins: Floats,
    outs: Floats,
    in_squares: Floats,
    out_squares: Floats,
    history: Rows,
    parts: Floats,
    drawn: Rows,
    rate: np.float32,
) -> None:
    """`kernels.teach` without compiled code."""
    width = np.float32(ins.shape[1])
    for rows in drawn:
        interest: Floats = np.zeros(ins.shape[1], dtype=np.float32)
        for row, part in zip(history, parts, strict=True):
            interest += part * ins[row]
        back, length = np.zeros_like(interest), _dots(interest, interest[None])[0] / width
        for row, error in zip(rows, _errors(interest, outs, rows), strict=True):
            if error != 0:
                out_squares[row] += error * error * length
                back += error * outs[row]
                outs[row] -= rate / np.sqrt(out_squares[row]) * error * interest
        length = _dots(back, back[None])[0] / width
        for row, part in zip(history, parts, strict=True):
            in_squares[row] += part * part * length
            ins[row] -= rate / np.sqrt(in_squares[row]) * part * back


def _errors(interest: Floats, outs: Floats, rows: Rows) -> Floats:
    counts = np.concatenate(([True], rows[1:] != rows[0]))
    logits = _dots(interest, outs[rows])
    errors: Floats = np.where(counts, _exp(logits - logits[counts].max()), np.float32(0))
    total = np.float32(0)
    for error in errors:
        total += error
    errors /= total
    errors[0] -= np.float32(1)
    return errors
