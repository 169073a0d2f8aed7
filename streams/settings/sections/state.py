"""The state of each user, and where all of them are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from streams.settings.section import Section


class UserStateSettings(Section):
    """How much is kept per user."""

    # Recent item events kept per user, by which recommendations are found and explained; 32 bytes each, in memory and
    # in every changelog record of the user. What a user buys again and again wants many.
    history_length: int = Field(default=16, ge=1, le=4096)
    # Ids of the last events kept per user, by which a producer's repeats are told; 8 bytes each.
    dedupe_window: int = Field(default=16, ge=1, le=1024)
    # Items kept per user as consumed, so that they are not recommended again; the oldest is forgotten. 8 bytes
    # each, in memory and in every changelog record of the user.
    consumed_per_user: int = Field(default=2000, ge=1, le=100_000)
    # Events kept for items that are not in the catalog yet: per user, and per partition in all.
    waiting_per_user: int = Field(default=64, ge=0)
    # Bytes of them per user: each of the user's changelog records holds them, and the state topic must take that
    # (`topics create` and `topics check` see to it). What comes beyond the bounds is dropped, and counted.
    waiting_bytes_per_user: int = Field(default=2_097_152, ge=0, le=64_000_000)
    waiting_per_partition: int = Field(default=100_000, ge=0)


class MemorySettings(Section):
    """Where a worker keeps the states: memory, files of evicted users, and snapshots."""

    # Most users in memory per worker, shared evenly among its partitions; none for all of them. The least recently
    # active go to a local file and come back with their next event. About 2 KB each, and more for consumed items.
    users_in_memory: int | None = Field(default=None, ge=1)
    # Folder of that file, on a fast local disk that holds all users' states twice; workers may share it.
    evicted_dir: Path | None = None
    # Folder of its own, on a local disk, for a copy of the states, so that a restart reads only the end of the
    # changelog; off by default. As large as the states; memory for one partition's more while it is copied. With
    # several processes each has a folder in it, process-1, process-2.
    snapshot_dir: Path | None = None
    # Seconds between two copies: what a restart after a kill has to read again of the changelog, at most.
    snapshot_interval_s: float = Field(default=300.0, gt=0)

    @model_validator(mode="after")
    def _check_folders(self) -> Self:
        problems = []
        if (self.users_in_memory is None) != (self.evicted_dir is None):
            problems.append("users_in_memory, evicted_dir: set both, or neither for all users in memory")
        if self.users_in_memory is not None and self.snapshot_dir is not None:
            problems.append("users_in_memory, snapshot_dir: one of both, for a snapshot is of memory alone")
        if problems:
            raise ValueError("; ".join(problems))
        return self
