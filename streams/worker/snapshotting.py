"""When snapshots are taken: every so often, and when a worker ends in order."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from streams.flow.flow import Flow
from streams.ops.daemon_calls import call_on_daemon_thread
from streams.settings.sections.state import MemorySettings
from streams.state.changelog import TopicIdentity
from streams.state.snapshots.copying import Copying
from streams.state.snapshots.snapshot import Expected, Snapshot, load, path, save
from streams.state.store import PartitionState
from streams.worker.recovery import Bounds
from streams.worker.threads import ModelThread

log = logging.getLogger(__name__)

# Between looks whether all that a copy holds has been delivered.
PAUSE_S = 0.05


class Snapshotter:
    """Saves the partitions' states, one after another, so that memory is taken for one copy at a time.

    Does nothing where the settings name no folder.
    """

    def __init__(
        self,
        memory: MemorySettings,
        topic: str,
        flow: Flow,
        model: ModelThread,
        ask: Callable[[], TopicIdentity],
    ) -> None:
        """topic: the changelog. ask: gives it as it is; may block."""
        self.flow, self.model, self.ask = flow, model, ask
        self.folder, self.interval = memory.snapshot_dir, memory.snapshot_interval_s
        # The changelog's topic before anything was recovered from it: with a younger id, offsets of an older topic
        # would pass as its own. And where its partitions began.
        self.changelog = TopicIdentity(topic, 0)
        self._begins: dict[int, int] = {}
        # What each partition's last snapshot contains.
        self._saved: dict[int, int] = {}
        # A round that is cancelled leaves its file being written.
        self._writing = threading.Lock()

    def look(self) -> None:
        """Before a recovery, while no states are in use: see which topic the changelog is. May block."""
        if self.folder is not None:
            self.changelog = self.ask()

    def start(self, bounds: Bounds) -> dict[int, Snapshot]:
        """For a recovery: the snapshots that can be used. bounds: those of the changelog, now. May block."""
        if self.folder is None:
            return {}
        # Asked for after the bounds, so that a topic made anew in between has another id than the snapshots say.
        changelog, found = self.ask(), {}
        for partition, (begin, end) in bounds.items():
            self._begins[partition] = begin
            expected = Expected(partition, self.flow.layout, self.flow.source, changelog, begin, end)
            one = load(path(self.folder, changelog.topic, partition), expected)
            if one is not None:
                found[partition] = one
                users, behind = len(one.keys), end - one.offset
                log.info(
                    "partition %d: %d users of a snapshot, %d changelog offsets behind it",
                    partition,
                    users,
                    behind,
                )
        return found

    async def run(self) -> None:
        """For ever. Raises SinkError where a delivery failed."""
        while self.folder is not None:
            await asyncio.sleep(self.interval)
            await self.save()

    async def save(self) -> None:
        """Save every partition that has changed since its last snapshot. A failure to write is logged."""
        if self.folder is None:
            return
        for part in list(self.flow.partitions.values()):
            if part.deliveries.contained != self._saved.get(part.partition) and self._alone(part):
                await self._save(self.folder, part)

    async def _save(self, folder: Path, part: PartitionState) -> None:
        copying, on_model = Copying(part), self.model.run
        # A call each, so that batches come in between.
        while await on_model(copying.more):
            pass
        of = await on_model(self._finish, copying)
        if of is None:
            return
        while not await on_model(part.deliveries.is_delivered, copying.sequence):
            await asyncio.sleep(PAUSE_S)
        if self._alone(part):
            await call_on_daemon_thread(self._write, folder, copying, *of)

    def _finish(self, copying: Copying) -> tuple[TopicIdentity, int] | None:
        """The changelog that the copy is of, and its first offset; None where the state is in use no more.

        On the model thread.
        """
        part = copying.part
        if self.flow.partitions.get(part.partition) is not part:
            return None
        copying.finish()
        return self.changelog, self._begins[part.partition]

    def _alone(self, part: PartitionState) -> bool:
        """False once others wrote into the changelog: a newer owner may have, and a copy is useless from then on."""
        if not part.deliveries.sole_writer:
            log.info(
                "no snapshot of partition %d before its next recovery: others wrote into its changelog",
                part.partition,
            )
        return part.deliveries.sole_writer

    def _write(self, folder: Path, copying: Copying, changelog: TopicIdentity, begin: int) -> None:
        partition = copying.part.partition
        with self._writing:
            found = copying.snapshot(changelog, begin)
            try:
                save(folder, found)
            except OSError as error:
                log.warning("no snapshot of partition %d was saved: %s", partition, error)
                return
        self._saved[partition] = found.offset
        log.info("saved %d users of partition %d", len(found.keys), partition)
