"""Where records leave the worker: changes of the state with the progress records that complete them, and all else."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sinks.base import Delivery, Log, TopicRecords
from streams.events.provenance import REFUSED_BY, refused_by
from streams.flow.flow import Flow
from streams.kafka.topics.limits import Rooms
from streams.settings.sections.topics import TopicSettings
from streams.state.changelog import OWNER_KEY
from streams.state.deliveries import PendingChange
from streams.state.snapshots.copying import with_record_offsets
from streams.state.users.partition import UserPartition
from streams.worker.learning.signal_log import SignalLog
from streams.worker.stages.outputs import Outputs, Refusal, StateChange
from streams.worker.stages.rejected_record import rejected_record
from streams.worker.stages.update import Update


class Publisher:
    """Of one worker. What concerns the state runs on the model thread."""

    def __init__(
        self, topics: TopicSettings, flow: Flow, sink: Log, snapshots: bool, learn_items: bool = False
    ) -> None:
        """snapshots: whether they are made of the states. learn_items: what events say of items is published."""
        self.topics, self.flow, self.sink, self.snapshots = topics, flow, sink, snapshots
        self.signals = SignalLog(topics.item_signals, flow.catalog, sink) if learn_items else None
        # What topics take, as the worker found them.
        self.rooms = Rooms()

    def publish(self, stage: str, outputs: Outputs) -> Delivery:
        """Publish what a stage made, in order; on the model thread where it changes a state."""
        if outputs.isolated:
            # Wait, before the state goes beyond them: read again, such an event may be one that its user's state has
            # passed, and then nobody would isolate it.
            self.sink.publish(self._rejected(stage, outputs.isolated)).result()
        groups = [*outputs.groups, *self._rejected(stage, outputs.rejected)]
        if outputs.change is None:
            return self.sink.publish(groups)
        return self._publish_change(outputs.change, groups)

    def _publish_change(self, change: StateChange, others: Sequence[TopicRecords] = ()) -> Delivery:
        """Publish changelog records, before them what was counted of feedback, behind them the progress record that
        says they are complete, and the change's outputs."""
        part, updated = change.part, change.updated
        counts = part.feedback_record() if updated.counted else []
        records = [*counts, *updated.state, part.progress_record(self.flow.source)]
        state = TopicRecords(self.topics.state, records, part.partition)
        vectors = self.flow.writer.topic_records(self.topics.vectors, updated.vectors)
        groups = [vectors, *others]
        if self.signals is None:
            delivery = self.sink.publish([state, *groups])
        else:
            delivery = self.signals.publish(updated.said, self.flow.source, part.partition, state, groups)
        pending = PendingChange(part.sequence, change.resume, len(records), delivery)
        # A snapshot holds where each row's record stands.
        if self.snapshots:
            pending = with_record_offsets(pending, part, updated.rows, first=len(counts))
        part.deliveries.add(pending)
        return delivery

    def write_owner_records(self, partitions: Sequence[int], owner: str) -> Delivery:
        """Write into the changelog who owns the partitions now; the result has the offset of each such record."""
        return self.sink.publish(owner_records(self.topics.state, partitions, owner))

    def take_over(self) -> list[Delivery]:
        """After a recovery: publish what may not have been, and rewrite rows whose newest record is not their last.

        On the model thread.
        """
        taken = []
        for number, part in self.flow.partitions.items():
            updated = self.flow.republish(number, part.stale)
            updated.vectors = self.flow.unpublished(number)
            taken.append(self._publish_change(StateChange(part, updated)))
        return taken

    def write_again(self, part: UserPartition, users: Collection[str]) -> Delivery:
        """Publish users' states again: somebody else wrote older ones behind ours. On the model thread."""
        if self.flow.partitions.get(part.partition) is not part:
            return self.sink.publish([])
        updated = self.flow.republish(part.partition, part.known_rows(sorted(users)))
        delivery = self._publish_change(StateChange(part, updated))
        part.trim()
        return delivery

    def _rejected(self, stage: str, rejected: Sequence[Refusal]) -> list[TopicRecords]:
        """One group with the original bytes and the reasons; or none."""
        if not rejected:
            return []
        # Each generation reads the canonical topic anew, so what is refused there says by whom.
        room, by = self.rooms.rejected, [(REFUSED_BY, self._by())] if stage == Update.name else []
        before = [None, *(record for record, _ in rejected)]
        made = [
            rejected_record(record, reason, room, by, again=record is last)
            for (record, reason), last in zip(rejected, before, strict=False)
        ]
        records, headers = [(one.key, one.value) for one in made], [one.headers for one in made]
        return [TopicRecords(self.topics.rejected, records, headers=headers)]

    def _by(self) -> bytes:
        return refused_by(self.topics.group, self.flow.source.topic_id)


def owner_records(changelog: str, partitions: Sequence[int], owner: str) -> list[TopicRecords]:
    """What says in a changelog who owns these partitions from now on; one record each."""
    said = [(OWNER_KEY, owner.encode())]
    return [TopicRecords(changelog, said, partition) for partition in partitions]
