"""Asking when a worker answers: right behind the user's last visit, with what was known then."""

from __future__ import annotations

from streams.history.evaluate.contender import Contender, Request, Rows, Visit
from streams.history.evaluate.judge import Task
from streams.history.evaluate.memory import NOTHING, Memory
from streams.history.evaluate.visits import Stream


class AfterVisit:
    """A contender that answers with the list that it made right behind the user's last visit.

    A worker publishes a list when it has folded a user's events, and none at the user's next visit. Whoever was in no
    visit before has no list.
    """

    def __init__(self, contender: Contender, stream: Stream, task: Task, k: int) -> None:
        """k: items that the judge will ask for at most. task: with `novel`, what the user has used is not named."""
        self.name, self.folds_events = contender.name, getattr(contender, "folds_events", False)
        self._contender, self._task, self._k = contender, task, k
        self._memory = Memory(stream.items, stream.users)
        self._lists: dict[int, Rows] = {}
        self._followed = followed(stream)

    def rank(self, request: Request, k: int) -> Rows:
        """See `Contender.rank`."""
        return self._lists.get(request.user, NOTHING)[:k]

    def learn(self, visit: Visit) -> None:
        """See `Contender.learn`."""
        self._contender.learn(visit)
        self._memory.learn(visit)
        if (visit.user, visit.time) not in self._followed:
            return
        exclude = self._memory.used(visit.user) if self._task == "novel" else NOTHING
        request = Request(visit.user, visit.time, self._memory.known, exclude)
        self._lists[visit.user] = self._contender.rank(request, self._k)


def followed(stream: Stream) -> set[tuple[int, int]]:
    """User and time of each visit whose user comes again in the scored half: no other list is ever looked at."""
    found, last = set[tuple[int, int]](), dict[int, int]()
    for number, visit in enumerate(stream.visits):
        if number >= stream.half and visit.user in last:
            found.add((visit.user, last[visit.user]))
        last[visit.user] = visit.time
    return found
