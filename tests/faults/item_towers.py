"""A deployment whose workers learn two-tower vectors, and what must hold of them after every fault.

What a killed worker had not told is lost. All that was told, as the topic of signals has it, is in the state of its
item, and once: I1, I2 and I3. I4: what every worker is shown is the state. I5: the books of it balance. I6: it is added
up in time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from confluent_kafka import Message

from streams.catalog.learned import ORDER
from streams.catalog.learned_towers import LEARNED_TOWERS_DTYPE, TOWERS_KEY
from streams.items.towers import DIM, PARTS, TOWERS_DTYPE
from tests.faults.deployment import SETTLE_S, Problems
from tests.faults.items import Learned
from tests.faults.log import Tail

# Keys that begin so are no item's.
CONTROL = b"\x00"
# Version and space, before the sums in a row's tail.
HEAD_BYTES = 8
NONE_LOST, NONE_TWICE, SAME_SUMS = "I1 no change lost", "I2 no change twice", "I3 sums of what was told"
SHOWN, BOOKS, IN_TIME = "I4 vectors are shown", "I5 vectors' books balance", "I6 told is added up in time"


class Told:
    """What workers told, added up by the rule alone: each (teller, number) once, in the order of the partition.

    Sums are of float32, as an item's state has them. An item is of one partition, so that order decides every bit.
    """

    def __init__(self) -> None:
        # By item, of TOWERS_DTYPE.
        self.sums: dict[str, Any] = {}
        # By partition: the last offset of the topic, whatever stands there; and items that all records tell of, and
        # those that repeat others.
        self.ends: dict[int, int] = {}
        self.items, self.repeated = Counter[int](), Counter[int]()
        self._origins: set[tuple[bytes, int]] = set()

    def add(self, message: Message) -> None:
        """Take a record of the topic."""
        number, headers = message.partition(), dict(message.headers() or ())
        self.ends[number] = message.offset()
        if "interestflow.towers" not in headers:
            return
        changes = list(changes_of(message.value()))
        self.items[number] += len(changes)
        origin = headers["interestflow.towers.of"], int(headers["interestflow.towers.number"])
        if origin in self._origins:
            self.repeated[number] += len(changes)
            return
        self._origins.add(origin)
        for item, change in changes:
            known = self.sums.setdefault(item, np.zeros((), TOWERS_DTYPE))
            for name in TOWERS_DTYPE.names or ():
                known[name] += change[name]


def changes_of(value: bytes) -> Iterator[tuple[str, Any]]:
    """Each item of a record, and its change, of TOWERS_DTYPE. Reads it as the format is described."""
    begin = 4 + int.from_bytes(value[:4], "little")
    head = orjson.loads(value[4:begin])
    items, count = len(head["items"]), head["vectors"]
    of_items = [("keys", "<u8", (items,)), ("uses", "<i8", (items,))]
    of_vectors = [("squares", "<f4", (count,)), ("vectors", "<f2", (count, DIM))]
    layout = np.dtype([*of_items, *of_vectors, ("moved", "u1", (items,))])
    assert len(value) == begin + layout.itemsize
    columns, at = np.frombuffer(value, layout, 1, begin)[0], 0
    for item, uses, moved in zip(head["items"], columns["uses"], columns["moved"], strict=True):
        change = np.zeros((), TOWERS_DTYPE)
        change["uses"] = uses
        for part in (part for part in range(PARTS) if moved >> part & 1):
            change["squares"][part], change["sums"][part] = columns["squares"][at], columns["vectors"][at]
            at += 1
        yield item, change


class Taught(Learned):
    """Reads what workers tell, too."""

    def __init__(self, servers: str, folder: Path, seed: int, **fields: Any) -> None:
        # Lists may name what was used: soon each user has used all items, and of empty lists nothing is learned.
        super().__init__(servers, folder, seed, recommender="hybrid", exclude_consumed=False, **fields)
        self.told = Told()
        self.shown_towers: dict[str, Any] = {}
        self._signals = Tail(self.config, self.settings.topics.item_signals)

    def look(self) -> None:
        """See Deployment. The signals are read last: states that hold all of them now, held all of them when read."""
        super().look()
        for message in self._signals.messages():
            self.told.add(message)

    def show(self, messages: list[Message]) -> list[Message]:
        """See Learned."""
        for message in messages:
            if message.key().startswith(TOWERS_KEY):
                row = np.frombuffer(message.value(), LEARNED_TOWERS_DTYPE)[0]
                self.newer(self.shown_towers, message.key()[len(TOWERS_KEY) :].decode(), row, ORDER)
        return [message for message in messages if not message.key().startswith(CONTROL)]

    def check(self, monotone: bool = False, books: bool = True) -> Problems:
        """Also what holds of vectors, once all that is told is added up: workers tell a while after the last event."""
        self._wait()
        found = super().check(monotone, books)
        late = self._wait()
        found |= self._towers() | {IN_TIME: late, SHOWN: self._not_shown(), BOOKS: self._books()}
        found["harness"] += [] if self.told.sums else ["no worker has told anything"]
        return found

    def _wait(self) -> list[str]:
        """Until all that stands in the topic is added up and shown; says what is not after the deadline."""
        give_up = time.monotonic() + SETTLE_S
        self.look()
        while (late := self._not_added_up() + self._not_shown()) and time.monotonic() < give_up:
            time.sleep(0.1)
            self.look()
        return late

    def _not_added_up(self) -> list[str]:
        at = {number: self.progress.get(number, {"offset": -1})["offset"] for number in self.told.ends}
        return [f"partition {n}: {at[n]} of {end}" for n, end in self.told.ends.items() if at[n] < end]

    def _sums_of_items(self) -> list[tuple[str, Any, Any]]:
        """Each item, its sums by its state, and by what was told."""
        nothing = np.zeros((), TOWERS_DTYPE)
        learned = {item for item, tail in self.tails.items() if tail} | self.told.sums.keys()
        return [
            (item, _sums_in(self.tails.get(item, b"")), self.told.sums.get(item, nothing))
            for item in sorted(learned)
        ]

    def _towers(self) -> Problems:
        found: Problems = {NONE_LOST: [], NONE_TWICE: [], SAME_SUMS: []}
        for item, own, told in self._sums_of_items():
            uses = f"{item}: {own['uses']} uses of {told['uses']}"
            if own["uses"] < told["uses"]:
                found[NONE_LOST].append(uses)
            elif own["uses"] > told["uses"]:
                found[NONE_TWICE].append(uses)
            if own.tobytes() != told.tobytes():
                off = np.abs(own["sums"] - told["sums"]).max()
                found[SAME_SUMS].append(f"{item}: a sum of changes is {off:g} off")
        return found

    def _not_shown(self) -> list[str]:
        """Items of which workers are shown something else than what is in the state; sums are shown as float16."""
        found = []
        for item, own, _ in self._sums_of_items():
            shown = self.shown_towers.get(item, np.zeros((), LEARNED_TOWERS_DTYPE))
            rounded = np.clip(own["sums"], -65504, 65504).astype(np.float16)
            ours = own["uses"].tobytes(), own["squares"].tobytes(), rounded.tobytes()
            if ours != tuple(shown[name].tobytes() for name in ("uses", "squares", "sums")):
                found.append(f"{item}: another is shown")
        return found

    def _books(self) -> list[str]:
        """All that was told is read, and what repeats other records is booked so, to the last item."""
        found = []
        for number, items in self.told.items.items():
            books = self.progress.get(number, {"books": {}})["books"]
            read, repeated, *rest = (
                books.get(f"towers_{name}", 0)
                for name in ("read", "repeated", "applied", "recovered", "refused")
            )
            if (read, repeated, read - repeated) != (items, self.told.repeated[number], sum(rest)) or rest[
                -1
            ]:
                found.append(
                    f"partition {number}: {books}, not {items}, {self.told.repeated[number]} repeated"
                )
        return found

    def close(self) -> None:
        """See Deployment."""
        self._signals.close()
        super().close()


def _sums_in(tail: bytes) -> Any:
    return np.frombuffer(tail, TOWERS_DTYPE, 1, HEAD_BYTES)[0] if tail else np.zeros((), TOWERS_DTYPE)
