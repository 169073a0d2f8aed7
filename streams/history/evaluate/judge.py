"""The judge: ranks each visit of a stream, scores it, and only then lets the contender learn it."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from streams.history.evaluate.contender import Contender, Rater, Request, Rows, Visit
from streams.history.evaluate.judged import Judged
from streams.history.evaluate.marks import COLUMNS, mark
from streams.history.evaluate.memory import NOTHING, Memory
from streams.history.evaluate.tradeoffs.lists import ListKinds
from streams.history.evaluate.visits import Stream
from streams.recommend.gains import LONG

# all: all that was chosen in a visit is a target. novel: of that, what its user had not used before; what the user had
# used is not to be named.
Task = Literal["all", "novel"]

# How often at most progress is told.
STEPS = 200


class ContractError(RuntimeError):
    """A contender named an item that it must not, or one twice; the message says which."""


class Judge:
    """Takes one contender through a stream; one judge for each."""

    def __init__(
        self,
        stream: Stream,
        task: Task,
        k: int = LONG,
        watch: Callable[[int, Rows], None] = lambda number, rows: None,
        progress: Callable[[int, int], None] = lambda done, total: None,
        every: int = 1,
        kinds: ListKinds | None = None,
        resident: Callable[[], int] = lambda: 0,
    ) -> None:
        """k: items asked for. watch: is told each scored visit's number and answer (<= k,). progress: visits, of all.
        every: ask about each so-many-th visit of the scored half alone. kinds: looks at each answer, too. resident:
        the process's memory in bytes, asked before and after; `resident_bytes` takes as long as many visits.

        Raises ValueError where k is below 20, for the marks look at so many items.
        """
        if k < LONG:
            raise ValueError(f"k must be at least {LONG}, for the marks look at so many items, not {k}")
        self.stream, self.task, self.k = stream, task, k
        self._watch, self._progress, self._every, self._kinds = watch, progress, every, kinds
        self._resident = resident
        self._memory = Memory(stream.items, stream.users)
        self._scored: list[tuple[int, int, int]] = []
        self._marks: list[tuple[float, ...]] = []
        self._errors: list[float] = []
        self._rater: Rater | None = None
        self._named = np.zeros(len(stream.items), dtype=bool)
        # Seconds by the clock; `_close` makes CPU seconds of them, for asking for those takes long on some machines.
        self._rank_s = self._learn_s = 0.0
        self._events = 0

    def run(self, contender: Contender) -> Judged:
        """Judge it. Raises ContractError, and ValueError where the visits are out of order."""
        before, visits, told = self._resident(), self.stream.visits, 0
        # Asked once: to compare with a protocol takes as long as many a baseline's ranking.
        self._rater = contender if self.stream.rated and isinstance(contender, Rater) else None
        clock, cpu = time.perf_counter(), time.process_time()
        for group in self.stream.groups():
            # All of one time are asked about before any of them is learned.
            for number in group:
                if number >= self.stream.half and (number - self.stream.half) % self._every == 0:
                    self._ask(contender, number, visits[number])
            for number in group:
                self._teach(contender, visits[number])
            if group.stop >= told + len(visits) // STEPS or group.stop == len(visits):
                told = group.stop
                self._progress(told, len(visits))
        share = (time.process_time() - cpu) / max(time.perf_counter() - clock, 1e-9)
        return self._close(contender.name, self._resident() - before, share)

    def _ask(self, contender: Contender, number: int, visit: Visit) -> None:
        used = self._memory.used(visit.user)
        targets = visit.rows[visit.chosen]
        if self.task == "novel":
            targets = targets[self._memory.is_new(visit.user, targets)]
        if not len(targets):
            return
        exclude = used if self.task == "novel" else NOTHING
        request = Request(visit.user, visit.time, self._memory.known, exclude)
        started = time.perf_counter()
        rows = contender.rank(request, self.k)
        self._rank_s += time.perf_counter() - started
        self._check(contender.name, request, rows)
        self._watch(number, rows)
        if self._kinds is not None:
            self._kinds.add(rows, self._memory.uses)
        self._named[rows[:LONG]] = True
        self._scored.append((number, visit.user, visit.time))
        self._marks.append(mark(rows, targets, visit.user, self._memory))
        if self._rater is not None:
            self._errors += _errors(self._rater, visit)

    def _check(self, name: str, request: Request, rows: Rows) -> None:
        listed = rows.tolist()
        distinct = set(listed)
        if len(listed) > self.k or len(distinct) < len(listed):
            raise ContractError(f"{name} names {len(listed)} items, {len(distinct)} distinct, of {self.k}")
        if listed and not 0 <= min(listed) <= max(listed) < len(self._named):
            raise ContractError(f"{name} names rows {min(listed)} to {max(listed)} of {len(self._named)}")
        if not (self._memory.uses[rows] > 0).all():
            raise ContractError(f"{name} names an item that was in no visit before")
        if self.task == "novel" and self._memory.has_used(request.user, distinct):
            raise ContractError(f"{name} names an item that is excluded")

    def _teach(self, contender: Contender, visit: Visit) -> None:
        self._events += len(visit.events) or len(visit.rows)
        if len(visit.rows) or getattr(contender, "folds_events", False):
            started = time.perf_counter()
            contender.learn(visit)
            self._learn_s += time.perf_counter() - started
        self._memory.learn(visit)

    def _close(self, name: str, grown: int, share: float) -> Judged:
        """share: CPU seconds of the process per second of the clock."""
        scored = np.array(self._scored, dtype=np.int64).reshape(-1, 3)
        return Judged(
            name=name,
            numbers=scored[:, 0],
            users=scored[:, 1],
            times=scored[:, 2],
            marks=np.array(self._marks, dtype=np.float64).reshape(-1, len(COLUMNS)),
            errors=np.array(self._errors, dtype=np.float64),
            named=self._named,
            known=self._memory.known,
            rank_s=self._rank_s * share,
            learn_s=self._learn_s * share,
            requests=len(scored),
            events=self._events,
            grown=grown,
            kinds={} if self._kinds is None else self._kinds.figures(),
        )


def _errors(contender: Rater, visit: Visit) -> list[float]:
    rated = zip(visit.rows.tolist(), visit.values.tolist(), strict=True)
    return [contender.predict(visit.user, row) - value for row, value in rated if value == value]


def resident_bytes() -> int:
    """Memory of this process, after a collection; 0 where the system does not tell it."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
