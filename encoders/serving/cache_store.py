"""The cache's second place: vectors on a local disk, which outlive the process. RocksDB, bounded in bytes.

Whole files go where there are more bytes than allowed, the oldest first (RocksDB's FIFO compaction, made for
caches: nothing is ever rewritten). Every block carries a checksum that is looked at on every read. What a killed
process had not written to a file comes back from the log beside it; a machine that loses power may lose some.

It is only a cache, so nothing that happens to it ends a worker: a folder that is damaged, full or in use by another
process is left aside until the next start, with a warning that says what to do, and every text that was not looked
up or kept for that is counted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompactionStyle,
    DBCompressionType,
    FifoCompactOptions,
    Options,
    Rdict,
    WriteBatch,
)

from encoders.core.base import Vectors

log = logging.getLogger(__name__)

MIB = 1 << 20
# Of the bound, what a file holds at most, and so what goes at once: a look-up asks every file's filter.
FILES = 16
LARGEST_FILE = 64 * MIB
BLOCK_CACHE = 16 * MIB
# Bits per vector, in memory, that tell of nearly every text never seen without a look at the disk.
FILTER_BITS = 10


class VectorStore:
    """Float32 vectors by key. Any thread may call; one process at a time. Never raises: see the module."""

    def __init__(self, folder: Path, dim: int, max_bytes: int) -> None:
        """folder: its own, made where it is missing. max_bytes: of its files; a quarter more with their log."""
        self.folder, self.dim, self.max_bytes = folder, dim, max_bytes
        self.failed = 0
        self._lock = threading.Lock()
        self._db: Any = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = Rdict(str(folder), _options(max_bytes))
        except Exception as error:  # RocksDB's errors have no class of their own
            self._leave_aside(error)

    def get(self, keys: Sequence[bytes]) -> list[Vectors | None]:
        """Float32 (dim,) of each key, None where there is none."""
        if (db := self._db) is not None:
            try:
                values: list[bytes | None] = db.get(list(keys))
                return [None if value is None else self._vector(value) for value in values]
            except Exception as error:  # as above
                self._leave_aside(error)
        self._count(len(keys))
        return [None] * len(keys)

    def put(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Keep vectors (dim,) by key."""
        if (db := self._db) is not None:
            batch = WriteBatch(raw_mode=True)
            for key, vector in vectors.items():
                batch.put(key, vector.astype("<f4").tobytes())
            try:
                db.write(batch)
                return
            except Exception as error:  # as above
                self._leave_aside(error)
        self._count(len(vectors))

    def counts(self) -> dict[str, int]:
        """Texts that were not looked up or not kept, since the folder is left aside."""
        return {"disk_failed": self.failed}

    def close(self) -> None:
        """Give the folder back to whoever opens it next; the end of the process does so too."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _vector(self, value: bytes) -> Vectors:
        if len(value) != 4 * self.dim:
            raise ValueError(f"it holds a vector of {len(value)} bytes, not {4 * self.dim}")
        return np.frombuffer(value, dtype="<f4").astype(np.float32)

    def _count(self, texts: int) -> None:
        with self._lock:
            self.failed += texts

    def _leave_aside(self, error: Exception) -> None:
        self._db = None
        log.warning(
            "the encoder's cache in %s cannot be used and is left aside until the next start: %s. One process may "
            "use a folder at a time; where it is damaged, remove it, where the disk is full, make room or lower "
            "INTERESTFLOW_ENCODER_CACHE_DISK_BYTES. Nothing is lost but time: texts are encoded again",
            self.folder,
            error,
        )


def _options(max_bytes: int) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    file_bytes = min(LARGEST_FILE, max_bytes // FILES)
    options.set_write_buffer_size(file_bytes)
    options.set_max_write_buffer_number(2)
    options.set_max_total_wal_size(2 * file_bytes)
    options.set_compaction_style(DBCompactionStyle.fifo())
    bound = FifoCompactOptions()
    bound.max_table_files_size = max_bytes
    options.set_fifo_compaction_options(bound)
    # Unit vectors do not shrink.
    options.set_compression_type(DBCompressionType.none())
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(MIB)
    table = BlockBasedOptions()
    table.set_bloom_filter(FILTER_BITS, False)
    table.set_block_cache(Cache(BLOCK_CACHE))
    options.set_block_based_table_factory(table)
    return options
