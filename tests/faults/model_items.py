"""What the schedules must come to for items: each use in the state of its item, once, however often it was said."""

from __future__ import annotations

from collections import Counter

from streams.flow.learning.records import read_signals
from streams.flow.learning.said import Said
from streams.items.signals import NO_KEY
from streams.recommend.catalog import item_key
from streams.state.items.layout import ItemLayout
from streams.state.items.partition import ItemPartition
from tests.faults.deployment import Problems
from tests.faults.model import Broker
from tests.faults.model_oracle import folded
from tests.streams.flows import Record

LAYOUT = ItemLayout()


def item_problems(broker: Broker, window: int) -> Problems:
    """Breaches of what holds of items, once all that was said of them is in the log."""
    parts = [taken_in(log) for log in broker.signals.values()]
    ours = Counter[str]()
    for part in parts:
        ours.update(part.uses())
    expected = _expected(broker, window)
    return {
        "I1 no use lost": [
            f"{item} counts {ours[item]} of {count} uses"
            for item, count in expected.items()
            if ours[item] < count
        ],
        "I2 no use twice": [
            f"{item} counts {count} uses, the log holds {expected[item]}"
            for item, count in ours.items()
            if count > expected[item]
        ],
        "I5 items' books balance": [
            f"partition {part.partition}: {dict(part.books)}" for part in parts if not balanced(part)
        ],
    }


def taken_in(log: list[Record]) -> ItemPartition:
    """The items of a partition of which all this was said, in one go."""
    part = ItemPartition(0, LAYOUT)
    part.fold([read_signals(record) for record in log])
    return part


def balanced(part: ItemPartition) -> bool:
    """Whether each signal that was read has an outcome."""
    return part.books["read"] == sum(part.books[name] for name in ("applied", "repeated", "recovered"))


def _expected(broker: Broker, window: int) -> Counter[str]:
    """Uses of each item."""
    said: list[Said] = []
    folded(broker, window, broker.source, said)
    names = {item_key(item): item for log in broker.embeddings for item in log}
    expected = Counter[str]()
    for one in said:
        known = {**names, **one.names}
        uses = one.signals.only(one.signals.others == NO_KEY)
        expected.update(known[item] for item in uses.items.tolist())
    return expected
