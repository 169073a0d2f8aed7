"""A worker of the model that takes in what is said of the items of one partition, and schedules for such workers."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from streams.catalog.learned import ORDER, read_learned
from streams.flow.learning.records import read_signals
from streams.state.changelog import CONTROL_KEYS, NO_EPOCH, TopicIdentity
from streams.state.items.partition import ItemPartition
from streams.state.restore import Restoring
from streams.worker.guard import others
from streams.worker.learning.flushing import ItemFlusher
from streams.worker.publishing import owner_records
from streams.worker.stages.learn import Learn
from tests.faults.deployment import Problems
from tests.faults.model import Broker, Outbox, Rules, Task
from tests.faults.model_items import LAYOUT, balanced, taken_in
from tests.faults.model_parts import CHUNK, kit
from tests.faults.model_schedule import Schedule
from tests.streams.flows import Record

SIGNALS = TopicIdentity("signals", 1, "as it was made")


class ItemWorker:
    """One process; `join` makes it the owner of the partition. To a schedule it is what `model_worker.Worker` is."""

    def __init__(self, broker: Broker) -> None:
        settings, _ = kit(1, learns=True)
        self.broker, self.outbox, self.learnings = broker, Outbox(broker, settings), Learn()
        self.flusher = ItemFlusher(settings.topics, self.learnings, self.outbox, None, 0.0)  # type: ignore[arg-type]  # nobody runs or closes it
        self.flusher.source = SIGNALS
        self.flow = SimpleNamespace(partitions=self.learnings.partitions)
        self.unacked: list[Any] = []
        self.tasks: dict[str, Task] = {}
        self.position, self.ready = 0, False

    @property
    def part(self) -> ItemPartition:
        """The state it holds."""
        return self.learnings.partitions[0]

    def join(self) -> None:
        """Take the partition over."""
        self.broker.epochs += 1
        self.broker.owner = self.outbox.epoch = self.broker.epochs
        self.ready = False
        self.tasks.pop("republish", None)
        self.learnings.partitions.clear()
        self.tasks["start"] = Task(self._start())

    def _start(self) -> Iterator[Any]:
        broker, epoch = self.broker, self.outbox.epoch
        claimed = self.outbox.publish(owner_records("interestflow-g1-items-state", [0], "model"))
        yield claimed
        part = self.learnings.partitions[0] = recovered(broker, claimed.result()[0])
        self.position = part.resume_offset
        yield from self.flusher.take_over()
        if broker.owner == epoch:
            broker.settle(part.deliveries.read_to)
        self.ready = True

    def fold(self, count: int) -> bool:
        """Take in the next records; false where there are none."""
        records = self.broker.source[self.position : self.position + count]
        self.part.fold([read_signals(record) for record in records])
        self.position += len(records)
        return bool(records)

    def ack(self) -> bool:
        """Write what has changed; false where nothing has."""
        return bool(self.flusher.flush())

    def look(self) -> bool:
        """See what others wrote since the last look, as `streams.worker.guard` does; false where nothing."""
        if "republish" in self.tasks:
            return False
        broker, deliveries = self.broker, self.part.deliveries
        deliveries.observe_end(broker.end)
        gaps = list(deliveries.gaps)
        deliveries.gaps.clear()
        if gaps and broker.rules.republish:
            between = [e for e in broker.changelog for begin, end in gaps if begin <= e.offset < end]
            found = set(others([(e.key, e.value) for e in between], LAYOUT, deliveries.epoch))
            self.tasks["republish"] = Task(self._republish(found, gaps[-1][1]))
        elif self.outbox.epoch == broker.owner:
            broker.settle(deliveries.next)
        return bool(gaps)

    def _republish(self, keys: set[bytes], covered: int) -> Iterator[Any]:
        part, epoch = self.part, self.outbox.epoch
        yield None  # while the changelog is read
        if keys:
            yield self.flusher.write_again(part, {key.decode() for key in keys - CONTROL_KEYS})
        if self.broker.owner == epoch:
            self.broker.settle(covered)

    def learn(self, which: int) -> None:
        """No item is to be learnt of here."""

    def recommend(self) -> bool:
        """Nobody is recommended to here."""
        return False

    def step(self, name: str) -> None:
        """Let a task go on."""
        task = self.tasks[name]
        task.step()
        if task.over:
            del self.tasks[name]


def recovered(broker: Broker, epoch: int = NO_EPOCH) -> ItemPartition:
    """The state as the changelog says."""
    restoring, log = Restoring(ItemPartition(0, LAYOUT)), broker.changelog
    for start in range(0, len(log), CHUNK):
        chunk = log[start : start + CHUNK]
        restoring.add([e.key for e in chunk], [e.value for e in chunk], [e.offset for e in chunk])
    return restoring.state(SIGNALS, epoch)


class ItemSchedule(Schedule):
    """Like those of users' workers, over a log that such workers left, with the repeats of all that befell them."""

    def __init__(self, seed: str, rules: Rules) -> None:
        before = Schedule(seed, Rules(learns=True))
        before.run()
        logs = before.broker.signals
        super().__init__(seed, rules)
        self.stock: list[Record] = list(max(logs.values(), key=len, default=[]))
        self.left = len(self.stock)
        self.items.clear()

    def _value(self) -> Any:
        raise NotImplementedError

    def _produce(self) -> bool:
        count = min(self.left, self.rng.randint(1, 5))
        log = self.broker.source
        for _ in range(count):
            self.left -= 1
            log.append(self.stock[len(log)])
        return count > 0

    def _new_worker(self) -> Any:
        return ItemWorker(self.broker)

    def _problems(self) -> Problems:
        broker, state = self.broker, recovered(self.broker)
        oracle = taken_in(broker.source)
        ours, theirs = items_of(state), items_of(oracle)
        found = state.uses() != oracle.uses()
        shown = newest(broker.outputs["learned"])
        return {
            "I1, I2 each use once": [f"{state.uses()} are not {oracle.uses()}"] if found else [],
            "I3 same bits": [
                f"{item} differs" for item in ours | theirs if ours.get(item) != theirs.get(item)
            ],
            "I4 output is final": [
                f"{item}: another is shown" for item in ours if shown.get(item) != ours[item]
            ],
            "I5 books balance": [] if balanced(state) else [f"{dict(state.books)}"],
            "I6 all taken in": []
            if state.processed_offset + 1 == len(broker.source)
            else [f"{state.processed_offset} of {len(broker.source)}"],
        }


def items_of(part: ItemPartition) -> dict[str, bytes]:
    """What is known of each item."""
    rows = part.layout.view(part.arena)["item"]
    return {item: rows[row].tobytes() for item, row in part.row_of.items()}


def newest(records: list[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """What whoever keeps the highest record of each item knows of it."""
    rows, _ = read_learned([value for _, value in records])
    best: dict[str, tuple[tuple[int, ...], bytes]] = {}
    for (key, _), row in zip(records, rows, strict=True):
        version = tuple(int(row[name]) for name in ORDER)
        if version >= best.get(key.decode(), (version,))[0]:
            best[key.decode()] = version, row["item"].tobytes()
    return {item: known for item, (_, known) in best.items()}
