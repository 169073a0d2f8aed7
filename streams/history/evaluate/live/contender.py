"""The recommender that runs in a worker, through the same classes, as a contender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.catalog.items import Item
from streams.events.canonical import Event, encode
from streams.events.records import Record
from streams.flow.decoded import Updated
from streams.flow.flow import Flow
from streams.history.evaluate.contender import Request, Rows, Visit
from streams.history.evaluate.live.learned import LearnedItems
from streams.history.evaluate.live.questions import NOBODY, Frozen, Questions
from streams.history.evaluate.live.space import Space
from streams.history.evaluate.memory import NOTHING
from streams.recommend.abilities import Learner
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow

PARTITION = 0


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How the contender lives. repeats: a user may be offered what was used before. delay: events by which what is
    learned of items comes late. frozen: see `questions`. after_visit: the ranker learns from the list that a worker
    made behind the user's last visit; who has none teaches nothing."""

    repeats: bool = True
    delay: int = 0
    frozen: Frozen | None = None
    after_visit: bool = False


class LiveContender:
    """Folds the events of each visit as a worker would, and asks the recommender of the settings.

    Items are hidden from the recommender until a visit held them, as every contender's are. Rows of the catalog are
    the rows of the data set.
    """

    folds_events = True

    def __init__(self, name: str, space: Space, items: Sequence[Item], circumstances: Circumstances) -> None:
        """name: of the recommender in the registry. Raises RegistryError, SettingsError."""
        changed = {"recommender": name, "exclude_consumed": not circumstances.repeats, "learn_items": True}
        self.name, self._space, self._circumstances = name, space, circumstances
        self._settings = space.settings.model_copy(update=changed)
        self._items, self._seen = items, np.zeros(len(items), dtype=bool)
        self.flow = build_flow(self._settings, space.name)
        for row, item in enumerate(items):
            self._put(row, item, hidden=True)
        self.part = self.flow.partitions[PARTITION] = UserPartition(PARTITION, self.flow.layout)
        self._questions = Questions(self.flow, self.part, circumstances.frozen)
        self.learned = LearnedItems(self.flow, circumstances.delay, circumstances.frozen)
        self._used: dict[int, Rows] = {}
        # Of each user's last visit.
        self._times: dict[int, int] = {}
        self._offset = 0

    def rank(self, request: Request, k: int) -> Rows:
        """See `Contender.rank`."""
        self.learned.reach(request.time)
        queries = self._questions.ask(request.user, request.time, request.exclude.tolist())
        users = [self._questions.name(request.user)]
        shown = None if users == [NOBODY] else self.flow.shown
        if shown is not None:
            queries = shown.tell(PARTITION, users, queries)
        ranked = self.flow.recommender.recommend(self.flow.catalog, queries, k).rows
        if shown is not None:
            shown.listed(PARTITION, users, queries, ranked)
        found: Rows = ranked[0][ranked[0] >= 0].astype(np.int64)
        return found

    def learn(self, visit: Visit) -> None:
        """See `Contender.learn`."""
        user_id = visit.events[0].user_id
        self.learned.reach(visit.time)
        self._teach(visit)
        self._questions.before_update(visit.user, visit.time)
        self.learned.hear(self._fold(visit.events).said.signals, len(visit.events))
        self._questions.meet(visit.user, user_id)
        self._reveal(visit.rows[~self._seen[visit.rows]])

    def _teach(self, visit: Visit) -> None:
        """Let the recommender learn from what was used, with the query as it was before."""
        used, chosen = self._used.get(visit.user, NOTHING), visit.rows[visit.chosen]
        last, self._times[visit.user] = self._times.get(visit.user), visit.time
        asked = last if self._circumstances.after_visit else visit.time
        if isinstance(self.flow.recommender, Learner) and len(chosen) and asked is not None:
            exclude = NOTHING if self._circumstances.repeats else used
            queries = self._questions.ask(visit.user, asked, exclude.tolist())
            targets = chosen[~np.isin(chosen, exclude)].tolist()
            self.flow.recommender.learn(self.flow.catalog, queries, [targets])
        if not self._circumstances.repeats:
            self._used[visit.user] = np.union1d(used, visit.rows)

    def _fold(self, events: Sequence[Event]) -> Updated:
        topic = self.flow.source.topic
        records = [
            Record(topic, PARTITION, self._offset + number, None, event.user_id.encode(), encode(event), ())
            for number, event in enumerate(events)
        ]
        self._offset += len(records)
        decoded = self.flow.decode(records)
        texts = Flow.encode(self._space.encoder, decoded, self._space.scoring)
        return self.flow.update(PARTITION, decoded, texts)

    def _reveal(self, rows: Rows) -> None:
        self._seen[rows] = True
        for row in rows.tolist():
            self._put(row, self._items[row], self._items[row].withheld)

    def _put(self, row: int, item: Item, hidden: bool) -> None:
        vector, title = self._space.vectors[row], item.title
        labels = item.labels()
        if self.flow.catalog.put(item.item_id, vector, hidden, title=title, labels=labels) != row:
            raise ValueError(f"the data set has the item {item.item_id!r} twice")
