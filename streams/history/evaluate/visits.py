"""A data set as visits: what each user used at one time, in time order, weighed by the product's own rules."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from streams.catalog.items import Item, decode_item
from streams.datasets import DATASETS
from streams.datasets.base import DatasetError
from streams.events.adapters import adapter
from streams.events.adapters.base import RATINGS
from streams.events.canonical import Event
from streams.events.records import Record
from streams.events.rejections import Reason, Rejected
from streams.flow.signals import LARGEST, EventWeights, SentimentWeight
from streams.history.evaluate.contender import Floats, Mask, Rows, Visit
from streams.settings.action_words import known_word
from streams.settings.settings import Settings
from streams.wiring.app import build_limits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stream:
    """Visits in time order; some may be without items, for contenders that fold events.

    items: catalog records, one per row. users: how many. half: number of visits that are learned only; the rest is
    scored. rated: `values` are ratings.
    """

    items: Sequence[Item]
    visits: Sequence[Visit]
    users: int
    half: int
    rated: bool = False

    def first_half(self) -> Stream:
        """What tuning may see: the visits that are not scored, of which the second half is scored in turn."""
        seen = self.visits[: self.half]
        return replace(self, visits=seen, half=middle(seen))

    def groups(self) -> Iterator[range]:
        """Numbers of the visits of each time. Raises ValueError where the times fall."""
        begin = 0
        for number, (one, other) in enumerate(pairwise(self.visits), 1):
            if other.time < one.time:
                raise ValueError(f"visit {number} is of an earlier time than the one before: sort the visits")
            if other.time > one.time:
                yield range(begin, number)
                begin = number
        if self.visits:
            yield range(begin, len(self.visits))


def middle(visits: Sequence[Visit]) -> int:
    """Number of visits up to the middle of all uses, moved on to where the time changes."""
    uses = np.cumsum([len(visit.rows) for visit in visits])
    # The first time can never be foretold.
    half = max(int(np.searchsorted(uses, uses[-1] // 2)), 1) if len(uses) else 0
    while half < len(visits) and visits[half].time == visits[half - 1].time:
        half += 1
    return half


def read_stream(
    settings: Settings,
    name: str,
    path: Path,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Stream:
    """The data set of this name. limit: events at most. progress: is told how many events of how many were read.

    Raises DatasetError.
    """
    if name not in DATASETS:
        raise DatasetError(f"no data set {name!r}; there are: {', '.join(DATASETS)}")
    dataset = DATASETS[name](path)
    total = min(dataset.total, limit or dataset.total)
    left_out = list[Rejected]()
    items = _items(dataset.items, settings, left_out)
    _tell(path, "items", left_out)
    left_out.clear()
    events = list(_parsed(islice(dataset.events, limit), settings, total, progress, left_out))
    if not events:
        why = f": {left_out[0].message}" if left_out else ""
        raise DatasetError(f"{path} holds no event of a known user{why}")
    _tell(path, "events", left_out)
    return build_stream(settings, items, sorted(events, key=lambda event: event.timestamp))


def _items(records: Iterable[Mapping[str, Any]], settings: Settings, left_out: list[Rejected]) -> list[Item]:
    """As a worker would read them: of several records of an item the last one counts. left_out: takes the others."""
    limits, found = build_limits(settings.limits), dict[str, Item]()
    for record in records:
        item = decode_item(Record("", 0, 0, None, None, orjson.dumps(record), ()), limits)
        if isinstance(item, Item):
            found[item.item_id] = item
        elif isinstance(item, Rejected):
            left_out.append(item)
    return list(found.values())


def _parsed(
    events: Iterable[Mapping[str, Any]],
    settings: Settings,
    total: int,
    progress: Callable[[int, int], None],
    left_out: list[Rejected],
) -> Iterator[Event]:
    """As the ingest of a worker would read them. left_out: takes what it would reject."""
    limits = build_limits(settings.limits)
    native = adapter("native", settings)
    for number, event in enumerate(events):
        record = Record("", 0, number, None, None, orjson.dumps(event), ())
        for one in native.parse(record, limits):
            if isinstance(one, Event):
                yield one
            # Data sets know that some of their users are unknown.
            elif one.reason != Reason.MISSING_USER:
                left_out.append(one)
        if number % 1000 == 0:
            progress(number, total)
    progress(total, total)


def _tell(path: Path, what: str, left_out: Sequence[Rejected]) -> None:
    if left_out:
        log.warning(
            "%d %s of %s are left out, as a worker would reject them; the first one: %s",
            *(len(left_out), what, path, left_out[0].message),
        )


def build_stream(settings: Settings, items: Sequence[Item], events: Sequence[Event]) -> Stream:
    """Visits of canonical events in time order, at least one; events of unknown items are in no visit's rows."""
    rules = settings.weights.action_rules
    numbers: dict[str, int] = {}
    users = np.array([numbers.setdefault(event.user_id, len(numbers)) for event in events], dtype=np.int64)
    row_of = {item.item_id: row for row, item in enumerate(items)}
    rows = np.array([row_of.get(event.item_id or "", -1) for event in events], dtype=np.int64)
    times = np.array([event.timestamp for event in events], dtype=np.int64)
    base, weights = _weights(settings, events, users, len(numbers))
    visits = list(Columns(events, users, rows, times, base > 0, weights).visits())
    words = {known_word(action, rules) for action in {event.action for event in events}}
    return Stream(items, visits, len(numbers), middle(visits), not RATINGS.isdisjoint(words))


def _weights(settings: Settings, events: Sequence[Event], users: Rows, number: int) -> tuple[Floats, Floats]:
    """(n,) each: the weight of each event's action, and its own signed one, by each user's running mean of ratings."""
    options, sentiment = settings.weights, settings.sentiment
    weights = EventWeights(
        options.action_rules,
        options.default_action_weight,
        SentimentWeight(sentiment.neutral, sentiment.gain),
    )
    sums = {"rating_sum": np.zeros(number), "rating_count": np.zeros(number, dtype=np.int64)}
    base = weights.base(events)
    return base, weights.weigh(events, base, users, sums)


@dataclass(frozen=True, slots=True)
class Columns:
    """n events in time order; all (n,). rows: -1 for no known item. chosen: the action's weight is above 0."""

    events: Sequence[Event]
    users: Rows
    rows: Rows
    times: Rows
    chosen: Mask
    weights: Floats

    def visits(self) -> Iterator[Visit]:
        """Those of equal time by user, each in the order of its events."""
        order = np.lexsort((self.users, self.times))
        users, times = self.users[order], self.times[order]
        changed = np.flatnonzero((np.diff(users) != 0) | (np.diff(times) != 0)) + 1
        for begin, end in pairwise([0, *changed.tolist(), len(order)]):
            yield self._visit(order[begin:end])

    def _visit(self, indices: Rows) -> Visit:
        events = [self.events[index] for index in indices.tolist()]
        # Weight, value and whether it was chosen, by row.
        found: dict[int, tuple[float, float, bool]] = {}
        facts = (column[indices].tolist() for column in (self.rows, self.weights, self.chosen))
        for event, row, weight, chosen in zip(events, *facts, strict=True):
            if row >= 0:
                before, _, ever = found.get(row, (0.0, np.nan, False))
                value = np.nan if event.value is None else min(max(event.value, -LARGEST), LARGEST)
                found[row] = before + weight, value, ever or chosen
        weights, values, some = zip(*found.values(), strict=True) if found else ((), (), ())
        return Visit(
            user=int(self.users[indices[0]]),
            time=int(self.times[indices[0]]),
            rows=np.fromiter(found, dtype=np.int64, count=len(found)),
            weights=np.array(weights, dtype=np.float32),
            values=np.array(values, dtype=np.float32),
            chosen=np.array(some, dtype=bool),
            events=events,
        )
