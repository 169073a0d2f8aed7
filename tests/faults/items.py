"""A deployment whose workers learn of items, and what must hold of each item after every fault.

I1 and I2: the state of each item counts the distinct events with a weight above 0, each once, as the events themselves
say it: nothing that the product has made of them is asked. I4: what every worker is shown is the state. I5: the books
of the items balance.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from confluent_kafka import Message

from streams.catalog.learned import ORDER, read_learned
from streams.state.items.layout import ItemLayout
from tests.faults.deployment import Deployment, Problems
from tests.faults.log import MARK, OWNER, Tail

LAYOUT = ItemLayout()
# Of the load's actions, those with a weight above 0.
USES = ("click", "view", "rate", "purchase")


class Learned(Deployment):
    """Reads the items' topics beside the others."""

    def __init__(self, servers: str, folder: Path, seed: int, **fields: Any) -> None:
        super().__init__(servers, folder, seed, learn_items=True, learned_interval_s=0.3, **fields)
        topics = self.settings.topics
        # Newest state of each item, with what says how new it is; progress by partition; and what is shown.
        self.states: dict[str, Any] = {}
        # What stands behind the row of each of these states.
        self.tails: dict[str, bytes] = {}
        self.progress: dict[int, dict[str, Any]] = {}
        self.shown: dict[str, Any] = {}
        # Items of distinct events that count, by event id; read from the canonical topic.
        self.used: dict[tuple[str, str], str] = {}
        self._items = {name: Tail(self.config, name) for name in (topics.items_state, topics.learned)}
        self._canonical = Tail(self.config, topics.canonical)

    def look(self) -> None:
        """See Deployment."""
        super().look()
        state, learned = self._items.values()
        for message in state.messages():
            self._state(message)
        messages = self.show(learned.messages())
        rows, at = read_learned([message.value() for message in messages])
        assert len(at) == len(messages)
        for message, row in zip(messages, rows, strict=True):
            self.newer(self.shown, message.key().decode(), row, ORDER)
        for message in self._canonical.messages():
            self._use(message.value())

    def show(self, messages: list[Message]) -> list[Message]:
        """Look at what every worker is shown; returns the records of items."""
        return messages

    def _state(self, message: Message) -> None:
        key = message.key()
        if key == MARK:
            found = orjson.loads(message.value())
            known = self.progress.get(message.partition(), found)
            if _order(found) >= _order(known):
                self.progress[message.partition()] = found
        elif key != OWNER:
            item, value = key.decode(), message.value()
            row = np.frombuffer(value, LAYOUT.dtype, 1)[0]
            if self.newer(self.states, item, row, ("offset", "applied", "epoch")):
                self.tails[item] = value[LAYOUT.size :]

    @staticmethod
    def newer(known: dict[str, Any], item: str, row: Any, order: tuple[str, ...]) -> bool:
        """Keep the row where it is not older than what is known of the item; says whether."""
        held = known.get(item)
        if held is not None and [row[name] for name in order] < [held[name] for name in order]:
            return False
        known[item] = row
        return True

    def _use(self, value: bytes) -> None:
        try:
            event = orjson.loads(value)
            action = event["action"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return
        if action in USES:
            self.used[event["user_id"], event["event_id"]] = event["item_id"]

    def expected(self) -> Counter[str]:
        """Uses of each item, by the events."""
        return Counter(self.used.values())

    def counts(self) -> dict[str, int]:
        """Uses of each item, by its state."""
        return {item: int(row["item"]["uses"]) for item, row in self.states.items()}

    def unapplied(self) -> int:
        """Also uses that are in no state yet; where there are more than there should be, that is for `check`."""
        left = super().unapplied()
        return left + max(0, self.expected().total() - sum(self.counts().values()))

    def check(self, monotone: bool = False, books: bool = True) -> Problems:
        """Also what holds of items."""
        found = super().check(monotone, books)
        expected, counts = self.expected(), self.counts()
        pairs = {item: (counts.get(item, 0), expected[item]) for item in expected | counts}
        found["I1 no use lost"] = [
            f"{i}: {own} of {all_} uses" for i, (own, all_) in pairs.items() if own < all_
        ]
        found["I2 no use twice"] = [
            f"{i}: {own} uses of {all_}" for i, (own, all_) in pairs.items() if own > all_
        ]
        found["I4 items are shown"] = [
            item
            for item, row in self.states.items()
            if item not in self.shown or self.shown[item]["item"].tobytes() != row["item"].tobytes()
        ]
        found["I5 items' books balance"] = [
            f"partition {number}: {progress['books']}"
            for number, progress in self.progress.items()
            if not _balanced(progress["books"])
        ]
        return found

    def close(self) -> None:
        """See Deployment."""
        for tail in (*self._items.values(), self._canonical):
            tail.close()
        super().close()


def _order(progress: dict[str, Any]) -> tuple[int, int, int]:
    return progress["offset"], progress["term"], progress["change"]


def _balanced(books: dict[str, int]) -> bool:
    return books.get("read", 0) == sum(books.get(name, 0) for name in ("applied", "repeated", "recovered"))
