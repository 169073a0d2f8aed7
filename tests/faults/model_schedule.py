"""One schedule, drawn from a seed: a log, and in which order workers work, pause, die and take over.

What a deployment promises is kept: a pause, and then the time until what a paused worker wrote is written again,
take together less than the compaction lag. All else may happen at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import orjson

from tests.faults.deployment import Problems
from tests.faults.model import Broker, Rules
from tests.faults.model_items import item_problems
from tests.faults.model_oracle import problems
from tests.faults.model_parts import new_flow, recovered
from tests.faults.model_worker import Worker
from tests.streams.flows import T0, Record

EARLY = ("early-0", "early-1", "early-2")
LATE = ("late-0", "late-1", "late-2")
GHOST = "never-told"
ACTIONS = ("click", "click", "like", "purchase", "rate", "rate", "hide", "impression")
STEPS = (60, 220)  # that a schedule takes
# After so many rounds in which nothing moved, all is done.
QUIET = 5


class Schedule:
    """What happens, and what it comes to."""

    def __init__(self, seed: str, rules: Rules) -> None:
        rng = self.rng = Random(seed)
        self.window = rng.choice((1, 2, 16))
        self.pause, self.patience = rng.randint(4, 25), rng.randint(4, 12)
        self.broker = Broker(self.pause + self.patience + 2 if rules.long_lag else 1, rules)
        self.users = [f"u{n}" for n in range(rng.randint(1, 7))]
        self.times = rng.sample(range(1, 10**6), 60)
        self.left, self.items = rng.randint(8, 40), list(LATE)
        for item in EARLY:
            self._tell(item)
        # The partition whose broker is slow to take records.
        self.slow = rng.choice(("", "vectors/0", "vectors/1", "rejected", "recommendations", "state"))
        self.worker: Worker | None = None
        self.paused: dict[Worker, tuple[int, int]] = {}  # when it wakes up and when it is gone
        pauses = 2 * rng.random() if rng.random() < 0.7 else 0  # or crashes alone
        self.weights: dict[Callable[[], bool], float] = {
            self._produce: 3, self._item: 0.4, self._fold: 10, self._deliver: 12, self._ack: 3, self._learn: 0.7,
            self._task: 8, self._recommend: 1, self._look: 1, self._compact: 1, self._join: 6,
            self._crash: 0.8 * rng.random(), self._pause: pauses, self._zombie: 8,
        }  # fmt: skip
        if rules.refuses:
            self.weights[self._refuse] = 0.4 * rng.random()

    def run(self) -> Problems:
        """Play it, let all end well, and say which invariants do not hold."""
        choices, weights = list(self.weights), list(self.weights.values())
        for _ in range(self.rng.randint(*STEPS)):
            self.broker.now += 1
            while not self.rng.choices(choices, weights)[0]():
                pass  # nothing to do of this kind
            self._bury()
            overdue = min(self.broker.foreign.values(), default=self.broker.now)
            if self.broker.now - overdue >= self.patience:
                self._calm()
        return self._end()

    def _end(self) -> Problems:
        while self.items:
            self._item()
        while self.left:
            self._produce()
        self._calm()
        if self.rng.random() < 0.3:
            self._crash()
            self._calm()  # an owner that has nothing to write
        for worker in list(self.paused):  # their last words come when all else is done
            self._die(worker)
        self._calm()
        self.broker.now += self.broker.lag + 1
        self.broker.compact()
        return self._problems()

    def _problems(self) -> Problems:
        broker, flow = self.broker, new_flow(self.window)
        found = problems(broker, self.window, recovered(broker, flow), set(EARLY))
        return {**found, **item_problems(broker, self.window)} if broker.rules.learns else found

    def _calm(self) -> None:
        """Nothing goes wrong until the owner has done all that it can; time stands still."""
        if self.worker is None:
            self._join(fresh=True)
        worker = self.worker
        assert worker is not None
        seen: list[tuple[int, ...]] = []
        while len(seen) < QUIET or len(set(seen[-QUIET:])) > 1:
            seen.append(self._progress(worker))
            for lane in worker.outbox.full():
                worker.outbox.deliver(lane, 1000)
            for name in list(worker.tasks):
                worker.step(name)
            if worker.ready:
                worker.ack()
                worker.look()
                worker.learn(0)
                worker.learn(1)
                worker.recommend()
                worker.fold(7)

    def _progress(self, worker: Worker) -> tuple[int, ...]:
        broker = self.broker
        records = broker.end + sum(map(len, broker.outputs.values()))
        return int(worker.ready), worker.position, records, broker.committed, len(broker.foreign)

    # --- what may happen ------------------------------------------------------------------------------

    def _produce(self) -> bool:
        count = min(self.left, self.rng.randint(1, 5))
        for _ in range(count):
            self.left -= 1
            log = self.broker.source
            log.append(Record(self._value(), len(log)))
        return count > 0

    def _value(self) -> bytes:
        rng, log = self.rng, self.broker.source
        chance = rng.random()
        if chance < 0.04:
            return b"no event"
        if chance < 0.14 and log:  # the producer sends one again
            return log[-rng.randint(1, min(6, len(log)))].value or b""
        event: dict[str, Any] = {
            "event_id": f"e{len(log)}",
            "user_id": rng.choice(self.users),
            "source": "model",
        }
        event["timestamp"] = T0 + self.times[len(log)] * 1000
        if rng.random() < 0.15:
            return orjson.dumps(
                {**event, "action": "search", "text": rng.choice(("red shoe", "hat", "blue"))}
            )
        event["action"] = rng.choice(ACTIONS)
        event["item_id"] = rng.choice((*EARLY, *EARLY, *LATE, *LATE, GHOST))
        if event["action"] in ("rate", "purchase"):
            event["value"] = rng.randint(1, 5)
        return orjson.dumps(event)

    def _item(self) -> bool:
        if told := bool(self.items):
            self._tell(self.items.pop(self.rng.randrange(len(self.items))))
        return told

    def _tell(self, item: str) -> None:
        self.broker.embeddings[self.rng.randrange(2)].append(item)

    def _fold(self) -> bool:
        return self.worker is not None and self.worker.ready and self.worker.fold(self.rng.randint(1, 6))

    def _deliver(self, worker: Worker | None = None) -> bool:
        worker = worker or self.worker
        if worker is None or not (lanes := worker.outbox.full()):
            return False
        if self.rng.random() < 0.9:
            lanes = [lane for lane in lanes if lane != self.slow]
        if not lanes:
            return False
        lane = self.rng.choice(lanes)
        worker.outbox.deliver(lane, self.rng.choice((1, 1, 2, 3, 10)))
        return True

    def _ack(self) -> bool:
        return self.worker is not None and self.worker.ready and self.worker.ack()

    def _learn(self) -> bool:
        if self.worker:
            self.worker.learn(self.rng.randrange(2))
        return self.worker is not None

    def _task(self, worker: Worker | None = None) -> bool:
        worker = worker or self.worker
        if there := worker is not None and bool(worker.tasks):
            worker.step(self.rng.choice(list(worker.tasks)))
        return there

    def _recommend(self) -> bool:
        worker = self.worker
        return worker is not None and bool(worker.flow.partitions) and worker.recommend()

    def _look(self) -> bool:
        return self.worker is not None and self.worker.ready and self.worker.look()

    def _compact(self) -> bool:
        self.broker.compact()
        return True

    def _crash(self) -> bool:
        if there := self.worker is not None:
            self._die(self.worker)
        return there

    def _refuse(self) -> bool:
        """The broker refuses one record, of whichever topic, and the worker ends."""
        if there := self.worker is not None and bool(lanes := self.worker.outbox.full()):
            lane = self.rng.choice(lanes)
            self.worker.outbox.refuse(lane, self.rng.randrange(len(self.worker.outbox.lanes[lane])))
            self._die(self.worker)
        return there

    def _die(self, worker: Worker) -> None:
        """Of what was on its way some still arrives: of each lane so many records from the front."""
        for lane in worker.outbox.full():
            held = len(worker.outbox.lanes[lane])
            worker.outbox.deliver(lane, self.rng.choice((0, self.rng.randint(0, held), held)))
        if worker is self.worker:
            self.worker, self.broker.owner = None, 0
        self.paused.pop(worker, None)

    def _pause(self) -> bool:
        """The owner stops for a while, and the group gives its partition away."""
        if self.worker is None:
            return False
        now, longest = self.broker.now, self.rng.randint(2, self.pause)
        self.paused[self.worker] = now + self.rng.randint(1, longest), now + longest
        self.worker, self.broker.owner = None, 0
        return True

    def _join(self, fresh: bool = False) -> bool:
        """Somebody takes over: a new process, or one that was paused and has done what it had begun."""
        if self.worker is not None:
            return False
        back = [w for w in self._awake() if all(delivered.done() for _, delivered in w.unacked)]
        if back and not fresh and self.rng.random() < 0.3:
            self.worker = self.rng.choice(back)
            del self.paused[self.worker]
        else:
            self.worker = self._new_worker()
        self.worker.join()
        return True

    def _new_worker(self) -> Worker:
        return Worker(self.broker, self.window)

    def _awake(self) -> list[Worker]:
        return [worker for worker, (wakes, _) in self.paused.items() if wakes <= self.broker.now]

    def _zombie(self) -> bool:
        """One that was paused goes on, and does not know yet that it has been replaced."""
        if not (awake := self._awake()):
            return False
        worker, what = self.rng.choice(awake), self.rng.random()
        if what < 0.6:
            return self._deliver(worker)
        if what < 0.75:
            return self._task(worker)
        if what < 0.85 and worker.flow.partitions:
            worker.learn(self.rng.randrange(2))
            return True
        worker.ack()
        if what < 0.9:
            return worker.ready and worker.look()
        return worker.ready and worker.fold(self.rng.randint(1, 6))

    def _bury(self) -> None:
        """Whoever is paused or replaced for too long is gone for good."""
        for worker in [w for w, (_, gone) in self.paused.items() if gone <= self.broker.now]:
            self._die(worker)
