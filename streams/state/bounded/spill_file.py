"""The local file of evicted rows: RocksDB in a folder that lives as long as the states recovered into it.

It is a part of the process's memory that happens to lie on disk. No log is written and nothing is synced. No other
process reads it, and the next one removes what a killed one left. Every read checks the checksum of its block.
Where the disk is full, or a file is missing or damaged, the process ends and says so; the next start reads the
changelog into a new file.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from streams.state.store import StateError

PREFIX = "evicted-"
MIB = 1 << 20
# Per worker, whatever the number of rows: two write buffers, and one cache for all reads.
WRITE_BUFFER = 16 * MIB
BLOCK_CACHE = 16 * MIB
# Bits per key, in memory: with them, nearly no key that was never evicted costs a read of the disk.
FILTER_BITS = 10


class SpillFile:
    """Values by partition and key. Raises StateError where the disk fails. One thread at a time."""

    def __init__(self, folder: Path) -> None:
        """folder: made where it is missing; each file has a folder of its own in it."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
            self._lock = _locked(self.path)
        except OSError as error:
            raise self._broken(folder, error) from error
        self._db: Any = self._try(Rdict, str(self.path / "db"), _options())
        self._unlogged = WriteOptions()
        # Its stub calls the attribute a method.
        self._unlogged.disable_wal = True  # type: ignore[method-assign,assignment]

    def put(self, partition: int, values: Mapping[str, bytes]) -> None:
        """Write values by key."""
        batch, prefix = WriteBatch(raw_mode=True), _prefix(partition)
        for key, value in values.items():
            batch.put(prefix + key.encode(), value)
        self._try(self._db.write, batch, self._unlogged)

    def get(self, partition: int, keys: list[str]) -> list[bytes | None]:
        """The value of each key, None where there never was one."""
        prefix = _prefix(partition)
        found: list[bytes | None] = self._try(self._db.get, [prefix + key.encode() for key in keys])
        return found

    def values(self, partition: int) -> Iterator[tuple[str, bytes]]:
        """All keys of a partition in order, with their values."""
        prefix, after = _prefix(partition), _prefix(partition + 1)
        bounded = ReadOptions()
        bounded.set_iterate_upper_bound(after)
        items = self._try(self._db.items, False, prefix, bounded)
        while (item := self._try(next, items, None)) is not None:
            yield item[0][len(prefix) :].decode(), item[1]

    def flush(self) -> None:
        """Write what is still in memory to the disk."""
        self._try(self._db.flush)

    def close(self) -> None:
        """Close and remove it."""
        # What cannot be closed cleanly is removed all the same.
        with suppress(Exception):
            self._db.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def _try(self, action: Any, *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except Exception as error:  # RocksDB's errors have no class of their own
            raise self._broken(self.path, error) from error

    @staticmethod
    def _broken(path: Path, error: Exception) -> StateError:
        return StateError(
            f"the file of evicted rows in {path} cannot be used: {error}. Make room there, or set another "
            f"INTERESTFLOW_EVICTED_DIR or a higher INTERESTFLOW_USERS_IN_MEMORY, and start the worker again: "
            f"nothing is lost, it reads the changelog into a new file"
        )


def _prefix(partition: int) -> bytes:
    return partition.to_bytes(4, "big")


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_error_if_exists(True)
    options.set_write_buffer_size(WRITE_BUFFER)
    options.set_max_write_buffer_number(2)
    # Sums of unit vectors do not shrink.
    options.set_compression_type(DBCompressionType.none())
    table = BlockBasedOptions()
    table.set_bloom_filter(FILTER_BITS, False)
    table.set_block_cache(Cache(BLOCK_CACHE))
    options.set_block_based_table_factory(table)
    return options


def _locked(path: Path) -> Any:
    """The open file whose lock says that the folder is in use; the system drops it with the process."""
    lock = (path / "in-use").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _sweep(folder: Path) -> None:
    """Remove what dead processes left; several workers may share a folder."""
    for left in folder.glob(f"{PREFIX}*"):
        if not (left / "in-use").exists():
            continue  # being made, by another
        with suppress(BlockingIOError), _locked(left):
            shutil.rmtree(left, ignore_errors=True)
