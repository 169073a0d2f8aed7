"""One schedule of ingest, drawn from a seed: sources that grow, workers that come and go, and what it must come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from random import Random

from streams.flow.flow import Flow
from tests.faults.deployment import Problems
from tests.faults.model_ingest import (
    Cluster,
    Place,
    Rules,
    Source,
    Worker,
    event_name,
    names,
    source_record,
)
from tests.faults.model_ingest_oracle import EVENTS, fresh, plain, rows, whole
from tests.streams.flows import Record, apply

STEPS = (40, 160)
# Events of a record: none, one, or an order's products.
PRODUCTS = (*[1] * 16, 0, 2, 3, 3)


class Schedule:
    """What happens to the sources, the workers and the canonical topic."""

    def __init__(self, seed: str, rules: Rules) -> None:
        rng = self.rng = Random(seed)
        names = ("clicks", "orders")[: rng.randint(1, 2)]
        sources = {name: self._source(name, rng.randint(1, 3)) for name in names}
        self.cluster = Cluster(rules, sources, [[] for _ in range(rng.randint(1, 3))])
        self.users = [f"u{n}" for n in range(rng.randint(2, 8))]
        self.numbers: dict[str, int] = defaultdict(int)
        self.members: dict[int, Worker | None] = {1: None}  # group -> its member
        self.paused: list[Worker] = []
        self.weights: dict[Callable[[], bool], float] = {
            self._produce: 4, self._ingest: 8, self._deliver: 8, self._commit: 4, self._join: 5, self._zombie: 6,
            self._crash: rng.random(), self._pause: 1.5 * rng.random(), self._refuse: 0.6 * rng.random(),
            self._generation: 0.1, self._remake: 0.15 * rng.random(), self._truncate: 0.3 * rng.random(),
        }  # fmt: skip

    @staticmethod
    def _source(name: str, partitions: int) -> Source:
        return Source(name, [[] for _ in range(partitions)], begin=[0] * partitions)

    def run(self) -> Problems:
        """Play it, let all end well, and say what does not hold."""
        choices, weights = list(self.weights), list(self.weights.values())
        for _ in range(self.rng.randint(*STEPS)):
            while not self.rng.choices(choices, weights)[0]():
                pass  # nothing to do of this kind
        for worker in list(self.paused):
            self._die(worker)
        for group in self.members:
            self._finish(group)
        return self._problems()

    def _finish(self, group: int) -> None:
        """The group's last member, which may be a new one, reads all and delivers it."""
        worker = self.members[group] or Worker(self.cluster, group)
        for place in worker.positions:
            while worker.ingest(place, 7):
                pass
        for lane in worker.outbox.full():
            worker.outbox.deliver(lane, 10**6)

    # --- what may happen ------------------------------------------------------------------------------

    def _place(self) -> Place:
        name = self.rng.choice(list(self.cluster.sources))
        return name, self.rng.randrange(len(self.cluster.sources[name].records))

    def _member(self) -> Worker | None:
        return self.rng.choice(list(self.members.values()))

    def _produce(self) -> bool:
        name, partition = self._place()
        log = self.cluster.sources[name].records[partition]
        for _ in range(self.rng.randint(1, 6)):
            self.numbers[name] += 1
            products, user = self.rng.choice(PRODUCTS), self.rng.choice(self.users)
            log.append(source_record(name, partition, len(log), self.numbers[name], user, products))
            self.cluster.written[name] |= names(log[-1])
        return True

    def _ingest(self) -> bool:
        worker = self._member()
        return worker is not None and worker.ingest(self._place(), self.rng.randint(1, 6))

    def _deliver(self, worker: Worker | None = None) -> bool:
        worker = worker or self._member()
        if worker is None or not (lanes := worker.outbox.full()):
            return False
        worker.outbox.deliver(self.rng.choice(lanes), self.rng.choice((1, 1, 2, 5, 20)))
        return True

    def _commit(self) -> bool:
        if worker := self._member():
            worker.commit(self._place())
        return worker is not None

    def _join(self) -> bool:
        empty = [group for group, member in self.members.items() if member is None]
        if empty:
            group = self.rng.choice(empty)
            self.members[group] = Worker(self.cluster, group, lambda: self.rng.choice((0, 0, 0, 3)))
        return bool(empty)

    def _crash(self) -> bool:
        if worker := self._member():
            self._die(worker)
        return worker is not None

    def _die(self, worker: Worker) -> None:
        """Of what was on its way some still arrives: of each lane so many records from the front."""
        for lane in worker.outbox.full():
            held = len(worker.outbox.lanes[lane])
            worker.outbox.deliver(lane, self.rng.choice((0, self.rng.randint(0, held), held)))
        self._leave(worker)

    def _leave(self, worker: Worker) -> None:
        if worker in self.paused:
            self.paused.remove(worker)
        if self.members.get(worker.group) is worker:
            self.members[worker.group] = None

    def _pause(self) -> bool:
        if worker := self._member():
            self._leave(worker)
            self.paused.append(worker)
        return worker is not None

    def _zombie(self) -> bool:
        """One that was paused goes on, and does not know yet that it has been replaced."""
        if not self.paused:
            return False
        worker, what = self.rng.choice(self.paused), self.rng.random()
        if what < 0.5:
            return self._deliver(worker)
        if what < 0.8:
            return worker.ingest(self._place(), self.rng.randint(1, 6))
        worker.commit(self._place())
        return what < 0.95 or self._die(worker) is None

    def _refuse(self) -> bool:
        """The broker refuses one record, and the worker ends."""
        worker = self._member()
        if worker is None or not (lanes := worker.outbox.full()):
            return False
        lane = self.rng.choice(lanes)
        worker.outbox.refuse(lane, self.rng.randrange(len(worker.outbox.lanes[lane])))
        self._die(worker)
        return True

    def _generation(self) -> bool:
        """A second generation begins where the first has committed, and both ingest."""
        if 2 in self.members:
            return False
        committed = self.cluster.committed
        committed.update({(2, place): offset for (_, place), offset in list(committed.items())})
        self.members[2] = None
        return True

    def _remake(self) -> bool:
        """A source is deleted and made anew, after all workers but paused ones were stopped."""
        for worker in [member for member in self.members.values() if member]:
            self._die(worker)
        name = self.rng.choice(list(self.cluster.sources))
        source = self.cluster.sources[name]
        self._forget(source)
        self.cluster.sources[name] = self._source(name, len(source.records))
        self.cluster.sources[name].made = source.made + 1
        for key in [key for key in self.cluster.committed if key[1][0] == name]:
            del self.cluster.committed[key]
        for worker in self.paused:  # it reads no more of what is gone
            worker.positions = {p: at for p, at in worker.positions.items() if p[0] != name}
        return True

    def _truncate(self) -> bool:
        """Retention removes records that nobody may have read."""
        name, partition = self._place()
        source = self.cluster.sources[name]
        end = len(source.records[partition])
        if end == source.begin[partition]:
            return False
        source.begin[partition] = self.rng.randint(source.begin[partition], end)
        self.cluster.removed |= set().union(*map(names, source.records[partition][: source.begin[partition]]))
        return True

    def _forget(self, source: Source) -> None:
        for records in source.records:
            self.cluster.removed |= set().union(*map(names, records))

    # --- what it must come to -------------------------------------------------------------------------

    def _problems(self) -> Problems:
        found: Problems = {
            "I1 none lost": [],
            "I2 none twice": [],
            "I3 same bits": [],
            "I5 books balance": [],
        }
        logged: set[str] = set()
        for log in self.cluster.canonical:
            first = self._first_of_each(log)
            logged |= {event_name(record) for record in first}
            found = {name: found[name] + more for name, more in self._fold_problems(log, first).items()}
        written = set().union(*self.cluster.written.values())
        lost = written - logged - self.cluster.removed
        found["I1 none lost"] += [f"never canonical: {sorted(lost)}"] if lost else []
        return found

    def _first_of_each(self, log: list[Record]) -> list[Record]:
        """What the log should come to: each event once, where it stands first.

        What was removed before it was committed, and came behind later records all the same, stays removed.
        """
        first: dict[str, Record] = {}
        highest: dict[tuple[str, ...], tuple[int, int]] = {}
        for record in log:
            *stream, offset, index = dict(record.headers)["interestflow.origin"].decode().split("/")
            place, rank = tuple(stream), (int(offset), int(index))
            name, overtaken = event_name(record), rank <= highest.get(place, (-1, 0))
            highest[place] = max(rank, highest.get(place, rank))
            if not (overtaken and name in self.cluster.removed):
                first.setdefault(name, record)
        return list(first.values())

    def _fold_problems(self, log: list[Record], first: list[Record]) -> Problems:
        live, once = self._live(log), whole([plain(record, n) for n, record in enumerate(first)])
        ours, theirs = rows(live), rows(once)
        fewer = [u for u, row in theirs.items() if u not in ours or ours[u]["count"] < row["count"]]
        more = [u for u, row in ours.items() if u not in theirs or row["count"] > theirs[u]["count"]]
        other = [u for u in ours.keys() & theirs.keys() if ours[u]["model"] != theirs[u]["model"]]
        books = live.partitions[0].books
        told = books["applied"] + books["late"] + books["repeat"] + books["duplicate"] + books["recovered"]
        return {
            "I1 none lost": [f"counted too few: {fewer}"] if fewer else [],
            "I2 none twice": [f"counted too many: {more}"] if more else [],
            "I3 same bits": [f"other vectors: {other}"] if other and not fewer and not more else [],
            "I5 books balance": [f"{len(log)} records, {told} told"] if told != len(log) else [],
        }

    def _live(self, log: list[Record]) -> Flow:
        """The log in batches, with restarts in between: sometimes behind rows whose progress record was never
        written."""
        flow, rng, kept = fresh(), self.rng, dict[bytes, bytes]()
        at = 0
        while at < len(log):
            part, size = flow.partitions[0], rng.randint(1, 9)
            updated = apply(flow, log[at : at + size])
            kept.update(updated.state)
            at += size
            if rng.random() < 0.8:
                kept.update([part.progress_record(EVENTS)])
            if rng.random() < 0.2:
                flow = fresh(kept)
                at = flow.partitions[0].processed_offset + 1
        return flow
