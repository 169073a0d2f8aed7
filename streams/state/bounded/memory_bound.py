"""A worker's bound of rows in memory: shared among its partitions, with a new local file for every recovery."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.state.bounded.eviction import Evictor
from streams.state.bounded.spill_file import SpillFile


@dataclass(frozen=True, slots=True)
class PartitionBound:
    """What each partition of one assignment gets."""

    file: SpillFile
    # Rows in memory.
    most: int

    def evictor(self) -> Evictor:
        """For one partition."""
        return Evictor(self.file, self.most)


class MemoryBound:
    """The bound of one worker."""

    def __init__(self, most: int, folder: Path) -> None:
        """most: rows in memory, over all partitions. folder: for the files of evicted rows."""
        self.most, self.folder = most, folder
        self._kept: PartitionBound | None = None

    def for_partitions(self, partitions: int) -> PartitionBound:
        """For a recovery of so many partitions; `keep` it once its states are in use. Raises StateError."""
        return PartitionBound(SpillFile(self.folder), max(1, self.most // max(1, partitions)))

    def keep(self, bound: PartitionBound | None) -> None:
        """The states of this bound are in use, those of the one before no longer: close its file."""
        if self._kept is not None:
            self._kept.file.close()
        self._kept = bound
