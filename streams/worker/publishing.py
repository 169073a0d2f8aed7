"""Where records leave the worker: changes of the state with the marks that complete them, and all else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sinks.base import Group, Sink
from streams.events.canonical import Rejected, SourceRecord
from streams.events.provenance import REFUSED_BY, refused_by
from streams.flow.flow import Flow, Updated
from streams.kafka.topics.limits import Rooms, fitting_recommendation
from streams.ops.metrics import Metrics
from streams.settings.settings import Settings
from streams.state.changelog import OWNER_KEY
from streams.state.deliveries import Handed
from streams.state.snapshots.copying import placed
from streams.state.store import NO_OFFSET
from streams.state.users.partition import UserPartition
from streams.worker.stages.rejected_record import rejected_record


class Publisher:
    """Of one worker. What concerns the state runs on the model thread."""

    def __init__(self, settings: Settings, flow: Flow, sink: Sink, metrics: Metrics) -> None:
        self.settings, self.flow, self.sink, self.metrics = settings, flow, sink, metrics
        # What topics take, as the worker found them.
        self.rooms = Rooms()

    def publish(self, groups: Sequence[Group]) -> Any:
        """Hand records to the sink; counts them by topic."""
        for group in groups:
            self.metrics.published.labels(group.topic).inc(len(group.records))
        return self.sink.publish(groups)

    def hand_over(
        self, part: UserPartition, updated: Updated, others: Sequence[Group] = (), resume: int = NO_OFFSET
    ) -> Any:
        """Publish a change: changelog records, behind them the mark that says they are complete, and its outputs.

        Returns the future of the deliveries; on the model thread. resume: see Handed.
        """
        records = [*updated.state, part.watermark_record(self.flow.source)]
        state = Group(self.settings.topic_state, records, part.partition)
        vectors = Group(self.settings.topic_vectors, updated.vectors)
        delivered = self.publish([state, vectors, *others])
        handed = Handed(part.changes, resume, len(records), delivered)
        # A snapshot holds where each row's record stands.
        part.deliveries.add(placed(handed, part, updated.rows) if self.settings.snapshot_dir else handed)
        return delivered

    def claim(self, partitions: Sequence[int], owner: str) -> Any:
        """Say in the changelog that partitions are ours now; the future of the offsets where that stands."""
        topic, said = self.settings.topic_state, [(OWNER_KEY, owner.encode())]
        return self.publish([Group(topic, said, partition) for partition in partitions])

    def take_over(self) -> list[Any]:
        """After a recovery, on the model thread: what the changelog does not vouch for, or holds in the wrong order."""
        taken = []
        for number, part in self.flow.partitions.items():
            updated = self.flow.again(number, part.stale)
            updated.vectors = self.flow.unpublished(number)
            taken.append(self.hand_over(part, updated))
        return taken

    def write_again(self, part: UserPartition, users: Collection[str]) -> Any:
        """Users whose older state somebody else has written behind ours; on the model thread."""
        if self.flow.partitions.get(part.partition) is not part:
            return self.publish([])
        delivered = self.hand_over(part, self.flow.again(part.partition, part.known_rows(sorted(users))))
        part.trim()
        return delivered

    def rejected(self, stage: str, rejected: Sequence[tuple[SourceRecord, Rejected]]) -> list[Group]:
        """One group with the original bytes and the reasons, which are counted; or none."""
        for _, reason in rejected:
            if stage != "update":  # the update's are booked with the batch's other outcomes
                self.metrics.rejected.labels(stage, reason.reason).inc()
        if not rejected:
            return []
        room, by = self.rooms.rejected, [(REFUSED_BY, self._by())] if stage == "update" else []
        before = [None, *(record for record, _ in rejected)]
        made = [
            rejected_record(record, reason, room, by, again=record is last)
            for (record, reason), last in zip(rejected, before, strict=False)
        ]
        records, headers = [(one.key, one.value) for one in made], [one.headers for one in made]
        return [Group(self.settings.topic_rejected, records, headers=headers)]

    def recommended(self, records: Sequence[tuple[bytes, bytes]]) -> Any:
        """Publish recommendations, each with as many items as its topic takes."""
        fitting = [fitting_recommendation(record, self.rooms.recommendations) for record in records]
        return self.publish([Group(self.settings.topic_recommendations, fitting)])

    def _by(self) -> bytes:
        return refused_by(self.settings.group, self.flow.source.topic_id)

    def keep_isolated(self, updated: Updated) -> None:
        """Wait until isolated records are on the broker, before the state goes beyond them.

        Read again, such an event may be one that its user's state has passed: then nobody would isolate it.
        """
        if updated.isolated:
            self.publish(self.rejected("update", updated.isolated)).result()
