"""Records into Kafka: idempotent, acks=all, murmur2, every record accounted for, and no gaps.

Promise: what is appended of a (topic, partition) is a prefix of what was handed over for it. After the first record
that is not appended, nothing behind it is, and the sink is of no more use: `publish` raises, every future fails. The
marks of the changelog and the origins of canonical records rest on it. Why it holds:

1. One lock makes `publish` calls follow one another, and a record that librdkafka does not take from us (too large,
   queue full) ends the sink within the call: nothing behind it is handed to librdkafka.
2. librdkafka numbers the records of a partition one by one, and a broker that knows the producer in a partition
   takes a batch only where its number follows the last. So what is in flight behind a refused batch is refused, too.
3. A broker that does not know the producer in a partition takes any number. With the batch that would have made it
   known refused, later ones that are in flight would be appended; `max.in.flight=1` does not help, since the next
   request is made before the answer comes. So the first record of each partition goes alone (see `lanes`), and again
   REOPEN_S later, which must be less than the brokers' `producer.id.expiration.ms` (a day by default).
4. A batch that is refused for good ends librdkafka's producer (`enable.gapless.guarantee`), in the thread that would
   send the next one; without it, it would number what follows anew and go on.
5. librdkafka gives up no record by itself, whatever the time (`message.timeout.ms=0`). The deadline is ours, and ends
   the sink as a whole. Time that passes while the process is stopped does not count.

So of what a call hands over for one partition only the last record asks for its report: a broker that has appended it
has appended all before it. By 2 and 3 it takes none whose number does not follow; by 1 and 5 we leave none out, and
purge nothing before the end; by 4 none is numbered anew behind a refused one. (What has no answer yet is numbered anew
where the broker has forgotten us: in order, from the first of these on, with nothing in flight.) A refused record that
asks for no report ends librdkafka's producer all the same, which tells topic, partition and reason (see `refusals`).

What may be appended after the end are records handed over before it, in order. Not covered: a topic that is deleted and
made again while it is written to; whoever reads it is told by the topic's id. One that brokers call unknown, and known
again, within a call, loses what waits for it in librdkafka: the offsets show that (`Appended`), and the sink ends.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from sinks.base import SinkError, TopicRecords
from sinks.counting import MissingTopicError, count_partitions
from sinks.lanes import Entry, Lane, entries, headers_of
from sinks.outstanding import Appended, Outstanding
from sinks.properties import DEFAULTS, GUARANTEES
from sinks.refusals import RESTART, ended_by_another, fatal, late, missing, refusal, said, says_nothing

DEADLINE_S = 300.0
REOPEN_S = 600.0
POLL_S = 0.1
# Between two polls no more time counts than this.
LONGEST_TICK_S = 1.0
# How long what tells the reason may come behind the news that the producer has ended.
REASON_WITHIN_S = 10.0


class KafkaLog:
    """One producer and the thread that collects its delivery reports."""

    def __init__(self, config: Mapping[str, Any], deadline_s: float = DEADLINE_S) -> None:
        """config: librdkafka properties (servers, security); the guarantees above cannot be overridden.

        deadline_s: how long a record may be on its way until the sink ends.
        """
        self._fatal: str | None = None
        # While the producer has ended because of a record, and has not told yet why.
        self._reason_due = False
        self._ends_at = float("inf")
        self._deadline = deadline_s
        self._producer = Producer({**DEFAULTS, **config, **GUARANTEES, "error_cb": lambda error: None})
        self._lanes: dict[str, Lane] = {}
        self._outstanding: deque[Outstanding] = deque()
        self._appended = Appended()
        self._undelivered = 0
        self._lock = threading.Lock()
        self._now, self._looked = 0.0, time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-sink", daemon=True)
        self._thread.start()

    def publish(self, groups: Sequence[TopicRecords]) -> Future[Sequence[int]]:
        """Enqueue at once; resolves when each record is known to be appended. Raises SinkError if fatal."""
        with self._lock:
            if self._fatal and not self._reason_due:
                raise SinkError(self._fatal)
            outstanding = Outstanding(groups, self._now, self._refused, self._appended)
            self._outstanding.append(outstanding)
            for index, group in enumerate(groups):
                if group.records and not self._fatal:
                    self._place(groups, index, outstanding)
        return outstanding.future

    def close(self, deadline_s: float) -> int:
        """Deliver for at most `deadline_s` seconds; returns the number of records not delivered."""
        wait([one.future for one in list(self._outstanding)], deadline_s)
        self._stopping.set()
        self._thread.join(timeout=5)
        return self._undelivered + sum(one.remaining for one in self._outstanding)

    # --- from the caller to librdkafka; all under the lock ----------------------------------------------

    def _place(self, groups: Sequence[TopicRecords], index: int, outstanding: Outstanding) -> None:
        """Hand a group over, once the number of its topic's partitions is known."""
        group = groups[index]
        lane = self._lanes.setdefault(group.topic, Lane(group.topic))
        if self._now - lane.asked >= REOPEN_S:
            lane.asked = self._now
            lane.open.clear()
            threading.Thread(target=self._count, args=(lane,), name="kafka-count", daemon=True).start()
        if lane.partitions:
            self._enqueue(lane, groups, index, outstanding)
        else:
            lane.unplaced.append((groups, index, outstanding))

    def _enqueue(
        self, lane: Lane, groups: Sequence[TopicRecords], index: int, outstanding: Outstanding
    ) -> None:
        group = groups[index]
        try:
            places = lane.places(group)
            reports = outstanding.reports(groups, index, places)
            if lane.open.issuperset(places):
                produce, topic, headers = self._producer.produce, lane.topic, headers_of(group)
                # By position: half of what the same call costs by name.
                for (key, value), partition, report, own in zip(
                    group.records, places, reports, headers, strict=True
                ):
                    produce(topic, value, key, partition, report, None, 0, own)
                return
            for entry in entries(group, places, reports):
                self._pass_on(lane, entry)
        except Exception as error:  # whatever it is, the rest must not follow
            ended = self._cannot_enqueue(lane, error)
            if not self._reason_due:  # else it comes with the future
                raise ended from error

    def _pass_on(self, lane: Lane, entry: Entry) -> None:
        """Hand one record over, or hold it behind the first one of its partition."""
        if not lane.admit(entry):
            return
        key, value, partition, report, headers = entry
        if partition not in lane.open:

            def report(error: KafkaError | None, message: Any) -> None:
                (entry.report or self._refused)(error, message)
                if error is None:
                    self._opened(lane, partition)

        self._producer.produce(lane.topic, value, key, partition, report, None, 0, headers)

    def _cannot_enqueue(self, lane: Lane, error: Exception) -> SinkError:
        self._reason_due = self._reason_due or (self._fatal is None and ended_by_another(error))
        return self._end(f"cannot enqueue to {lane.topic}: {said(error)}; {RESTART}")

    def _end(self, reason: str) -> SinkError:
        """Take nothing any more. The poll thread fails what is outstanding."""
        if self._fatal is None:
            self._fatal, self._ends_at = reason, self._now + REASON_WITHIN_S
        return SinkError(self._fatal)

    # --- what comes back ---------------------------------------------------------------------------------

    def _opened(self, lane: Lane, partition: int) -> None:
        """The broker knows us in this partition: what was held may go."""
        with self._lock:
            held = lane.opened(partition)
            if self._fatal:
                return
            try:
                for entry in held:
                    self._pass_on(lane, entry)
            except Exception as error:  # see _enqueue
                self._cannot_enqueue(lane, error)

    def _refused(self, error: KafkaError | None, message: Any) -> None:
        """A record was not delivered, where there is an error; in the poll thread."""
        # One that says nothing failed because another one did, of which librdkafka says why.
        if error is not None and not says_nothing(error):
            self._told(refusal(message.topic(), message.partition(), error))

    def _told(self, reason: str) -> None:
        """Why a record was not delivered, in place of what librdkafka said when it ended."""
        with self._lock:
            # Unless those who wait have been told already.
            if self._ends_at > float("-inf"):
                self._fatal, self._ends_at = reason, float("-inf")
                self._reason_due = False

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                self._producer.poll(POLL_S)
            except KafkaException as error:
                if reason := fatal(error):
                    self._told(reason)
                with self._lock:
                    self._end(f"the Kafka producer failed for good: {said(error)}; {RESTART}")
            self._tick()

    def _tick(self) -> None:
        looked = time.monotonic()
        self._now += min(looked - self._looked, LONGEST_TICK_S)
        self._looked = looked
        while self._outstanding and self._outstanding[0].future.done():
            self._outstanding.popleft()
        if self._outstanding and self._now - self._outstanding[0].begun > self._deadline:
            waited = [lane.topic for lane in self._lanes.values() if lane.unplaced or lane.held]
            with self._lock:
                self._end(late(waited, self._deadline))
        if self._now >= self._ends_at:
            self._fail_outstanding()

    def _fail_outstanding(self) -> None:
        with self._lock:
            failed = list(self._outstanding)
            self._outstanding.clear()
            self._ends_at, self._reason_due = float("-inf"), False
            reason = self._fatal or RESTART
            # Nothing is handed to librdkafka any more, so dropping what waits there leaves no gap.
            self._producer.purge(in_queue=True, in_flight=False, blocking=False)
        for one in failed:
            self._undelivered += one.remaining
            one.fail(reason)

    def _count(self, lane: Lane) -> None:
        """Ask how many partitions a topic has until it is known; in a thread of its own."""
        try:
            partitions = count_partitions(self._producer, lane.topic, self._over, lambda: self._now)
        except MissingTopicError:
            with self._lock:
                self._end(missing(lane.topic))
        else:
            if partitions:
                self._counted(lane, partitions)

    def _over(self, wait_s: float) -> bool:
        """Wait; true where the sink takes nothing any more."""
        return self._stopping.wait(wait_s) or self._fatal is not None

    def _counted(self, lane: Lane, partitions: int) -> None:
        with self._lock:
            lane.partitions = partitions
            unplaced, lane.unplaced = lane.unplaced, []
            if self._fatal:
                return
            with suppress(SinkError):  # kept for the next caller, and for everybody who waits
                for groups, index, outstanding in unplaced:
                    self._enqueue(lane, groups, index, outstanding)
