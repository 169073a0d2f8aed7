"""Asking right behind a user's last visit, as a worker answers."""

from __future__ import annotations

import numpy as np

from streams.history.evaluate.asked import AfterVisit, followed
from streams.history.evaluate.contender import Request, Rows, Visit
from streams.history.evaluate.judge import Judge
from tests.streams.history.evaluate.worlds import drawn, stream, visit


class Newest:
    """Names what was seen last, whoever asks; remembers its requests."""

    name = "newest"

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.requests: list[Request] = []

    def rank(self, request: Request, k: int) -> Rows:
        self.requests.append(request)
        left = [row for row in dict.fromkeys(reversed(self.seen)) if row not in request.exclude]
        return np.array(left[:k], dtype=np.int64)

    def learn(self, visit: Visit) -> None:
        self.seen += visit.rows.tolist()


# User 0 comes at times 1 and 4, user 1 between, user 2 once in the scored half.
WORLD = stream(
    [visit(0, 1, [0]), visit(1, 2, [1]), visit(1, 3, [2]), visit(0, 4, [1]), visit(2, 5, [0])], 3, 2
)


def test_the_list_is_of_the_moment_behind_the_last_visit() -> None:
    lists: dict[int, list[int]] = {}
    newest = Newest()
    contender = AfterVisit(newest, WORLD, "all", 20)
    Judge(WORLD, "all", watch=lambda number, rows: lists.update({number: rows.tolist()})).run(contender)
    # What user 1 did meanwhile is not known to user 0's list; who was never here has none.
    assert lists == {2: [1, 0], 3: [0], 4: []}
    # No list is made that nobody looks at.
    assert [(one.user, one.time) for one in newest.requests] == [(0, 1), (1, 2)]
    assert followed(WORLD) == {(0, 1), (1, 2)}


def test_what_the_user_has_used_is_left_out_of_novel() -> None:
    newest = Newest()
    contender = AfterVisit(newest, WORLD, "novel", 20)
    Judge(WORLD, "novel").run(contender)
    assert [one.exclude.tolist() for one in newest.requests] == [[0], [1]]
    # The judge refuses an answer that breaks its rules, in any stream.
    Judge(drawn(), "novel").run(AfterVisit(Newest(), drawn(), "novel", 20))
