"""A worker beside others that are killed and paused, and come and go: does its memory grow?

`python -m tests.faults.soak --minutes 120 --every 60` runs it on a broker of its own, prints a table and writes
what it measured as JSON, after each disturbance, so that a run that is cut short leaves what it had. Users and items
are a fixed number, and topics are compacted soon, so that nothing grows that a worker has to keep: what grows is a
leak.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path

import orjson
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests.faults.deployment import Deployment, until
from tests.faults.load import ITEMS
from tests.faults.resident import Watch
from tests.faults.small import new_prefix

USERS = 2_000
# Of two, three and four workers each gets as many.
PARTITIONS = 12
# The one that is watched, to which nothing is done; the one that is paused at times, and is watched too.
WATCHED, PAUSED, KILLED, GUEST = "a", "b", "c", "d"
# So that a recovery late in the run reads no more than an early one.
SOON = {"min.compaction.lag.ms": "5000", "segment.ms": "15000", "min.cleanable.dirty.ratio": "0.01"}
# Longer than a rebalance takes, and than a worker that is paused is waited for.
WAIT_S = 40.0


class Soak:
    """One deployment, events of a fixed number of users, and a disturbance every so often."""

    def __init__(
        self,
        servers: str,
        folder: Path,
        *,
        rate: float,
        every_s: float,
        session_s: float,
        sample_s: float = 1.0,
    ) -> None:
        """rate: events per second. every_s: from one disturbance to the next. session_s: the group's time-out."""
        self.rate, self.every, self.sample_s = rate, every_s, sample_s
        settings = {
            "partitions": PARTITIONS,
            "dimensions": 128,
            "batch_events": 4_000,
            "commit_interval_s": 1.0,
        }
        prefix = new_prefix()
        sources = (Source(topic=f"{prefix}raw", format="native"),)
        own = {**settings, "prefix": prefix, "sources": sources}
        self.deployment = Deployment(servers, folder, seed=1, static=False, **own)
        self.crew = self.deployment.crew
        self.crew.settings = self.crew.settings.model_copy(update={"session_timeout_s": session_s})
        compact_soon(servers, self.deployment.settings)
        self.watches: dict[str, Watch] = {}
        self._stop = threading.Event()
        self._started = time.monotonic()

    def run(self, done: Callable[[], bool]) -> None:
        """Start the workers, and disturb them until `done`, which is asked behind each disturbance."""
        for name in (WATCHED, PAUSED, KILLED):
            self.crew.start(name)
        until(lambda: self.deployment.owners() == 3, "three workers", 3 * WAIT_S)
        with self._in_background(self._write), self._in_background(self._sample):
            for disturb in cycle((self.kill, self.pause, self.guest)):
                begun = time.monotonic()
                disturb()
                time.sleep(max(0.0, begun + self.every - time.monotonic()))
                if done():
                    return

    @property
    def watched(self) -> Watch:
        """The worker to which nothing is done. Fails where it is no more the process that it was."""
        ends = [end for end in self.crew.ends if end[0] == WATCHED]
        assert not ends, f"it ended with {ends}:\n{self.crew.logs([WATCHED])}"
        return self.watches[f"{WATCHED}1"]

    def kill(self) -> None:
        """SIGKILL one, and start it again once the others have its partitions."""
        self.crew.kill(KILLED)
        self._wait_for(2)
        self.crew.start(KILLED)

    def pause(self) -> None:
        """SIGSTOP one beyond its session, and let it go on."""
        paused = self.crew.members[PAUSED]
        paused.send(signal.SIGSTOP)
        try:
            self._wait_for(2)
        finally:
            paused.send(signal.SIGCONT)

    def guest(self) -> None:
        """One more comes, and leaves in order."""
        self.crew.start(GUEST)
        self._wait_for(4)
        self.crew.stop(GUEST)

    def close(self) -> None:
        """End the workers and remove the topics."""
        self.deployment.close()

    def _wait_for(self, owners: int) -> None:
        with suppress(AssertionError):  # a busy machine may be late; what is measured is memory
            until(lambda: self.deployment.owners() == owners, f"{owners} workers", WAIT_S)

    def _sample(self) -> None:
        while not self._stop.wait(self.sample_s):
            at = time.monotonic() - self._started
            for name in (WATCHED, PAUSED):
                self._watch(name).look(at)

    def _watch(self, name: str) -> Watch:
        """Of the worker's process now; one that took the place of another is counted on its own."""
        member = self.crew.members[name]
        known = [watch for watch in self.watches.values() if watch.log == member.log]
        if not known or known[-1].pid != member.pid:
            known.append(self.watches.setdefault(f"{name}{len(known) + 1}", Watch(member.pid, member.log)))
        return known[-1]

    def _write(self) -> None:
        settings = self.deployment.settings
        producer = Producer(
            {
                "bootstrap.servers": settings.kafka.bootstrap_servers,
                "enable.idempotence": True,
                "log_level": 0,
            }
        )
        begun, number = time.monotonic(), 0
        while not self._stop.wait(0.05):
            while number < (time.monotonic() - begun) * self.rate:
                number += 1
                producer.produce(
                    settings.topics.sources[0].topic, event(number), f"u{number % USERS}".encode()
                )
            producer.poll(0)
        producer.flush(10)

    @contextmanager
    def _in_background(self, work: Callable[[], None]) -> Iterator[None]:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


def event(number: int) -> bytes:
    """The event of this number."""
    body = {
        "event_id": f"e{number}",
        "user_id": f"u{number % USERS}",
        "item_id": f"i{number * 7919 % ITEMS}",
        "action": "click",
        "timestamp": round(time.time() * 1000),
    }
    return orjson.dumps(body)


def compact_soon(servers: str, settings: Settings) -> None:
    """So that what is kept by key is about as long at the end as at the begin."""
    topics = settings.topics.state, settings.topics.vectors, settings.topics.recommendations
    entries = [ConfigEntry(n, v, incremental_operation=AlterConfigOpType.SET) for n, v in SOON.items()]
    resources = [ConfigResource(ConfigResource.Type.TOPIC, t, incremental_configs=entries) for t in topics]
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    for future in admin.incremental_alter_configs(resources).values():
        future.result(30)


if __name__ == "__main__":
    from tests.faults.soak_report import main

    main()
