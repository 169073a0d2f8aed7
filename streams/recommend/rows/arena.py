"""Memory that the processes of one command share: ids of items and editions of their vectors. Linux.

It is two files without a name, which the processes inherit empty: the kernel takes them back with the last process
that has them, however it ends. One is never mapped, since closing a mapping would drop the locks of its process. It
begins with five numbers (uint64), those of `Header`; from IDS on stand the ids by row, each behind its length (uint32),
in UTF-8. Its bytes are locked, too: the first by whoever reads or changes the header, number n + 1 by whoever uses
edition n. The kernel drops the locks of a process that ends.

The other holds editions of the vectors, number n at n * EDITION_BYTES. What was once published, a row by `rows` and an
edition by `edition`, is never written again, so nobody sees a vector half written: what a process had not published
when it was killed is written anew by the next.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from struct import Struct
from typing import NamedTuple

import numpy as np

from streams.recommend.rows.base import Floats

HEADER, LENGTH = Struct("<5Q"), Struct("<I")
IDS = 4096
# Of one edition at most, and of all; files with holes, which cost nothing.
EDITION_BYTES, ALL_BYTES = 1 << 40, 1 << 62
# Seconds for which the header may be held by another process: microseconds of work, unless one is stopped there, or
# gets no CPU.
PATIENCE_S, PAUSE_S = 5.0, 0.0005
# Bytes of vectors written at once.
CHUNK = 8 << 20


class BusyError(Exception):
    """Another process holds the header, and does not go on."""

    def __init__(self) -> None:
        super().__init__("another process holds the shared vectors and does not go on")


class Header(NamedTuple):
    """dim: dimensions of the vectors, 0 before the first process came. rows: published.

    ids: bytes of their ids. edition: the one to use. begun: the highest number of an edition that was begun.
    """

    dim: int
    rows: int
    ids: int
    edition: int
    begun: int


class Arena:
    """This process's access to the shared memory. One thread."""

    def __init__(self, control: int, vectors: int, dim: int) -> None:
        """control, vectors: descriptors of the two files.

        Raises ValueError where they hold vectors of another dimension, BusyError, OSError.
        """
        self._control, self._vectors = control, vectors
        self.row_bytes = 4 * dim
        with self.locked() as header:
            if header.dim not in (0, dim):
                raise ValueError(f"the other processes have vectors of {header.dim} dimensions, not {dim}")
            os.ftruncate(vectors, ALL_BYTES)
            self._write(header._replace(dim=dim))

    @contextmanager
    def locked(self) -> Iterator[Header]:
        """The header, which nobody else changes meanwhile. Raises BusyError."""
        until = time.monotonic() + PATIENCE_S
        while not self._lock(fcntl.LOCK_EX, 0):
            if time.monotonic() > until:
                raise BusyError
            time.sleep(PAUSE_S)
        try:
            yield self._header()
        finally:
            self._lock(fcntl.LOCK_UN, 0)

    def ids(self, begin: int, end: int) -> list[str]:
        """The ids that stand there, in bytes from the first one's."""
        text, at, found = os.pread(self._control, end - begin, IDS + begin), 0, list[str]()
        while at < len(text):
            (length,) = LENGTH.unpack_from(text, at)
            at += LENGTH.size + length
            found.append(text[at - length : at].decode())
        return found

    def append(self, header: Header, item_id: str, values: Floats) -> int:
        """Publish a row with its vector (dim,) in the edition to use; within `locked`. Returns the end of its id."""
        name = item_id.encode()
        entry = LENGTH.pack(len(name)) + name
        self._put(self._vectors, values.tobytes(), self._place(header.edition) + header.rows * self.row_bytes)
        self._put(self._control, entry, IDS + header.ids)
        self._write(header._replace(rows=header.rows + 1, ids=header.ids + len(entry)))
        return header.ids + len(entry)

    def begin(self) -> int:
        """The number of a new edition, which this process uses. Raises BusyError."""
        with self.locked() as header:
            self._write(header._replace(begun=header.begun + 1))
            self.use(header.begun + 1)
        return header.begun + 1

    def fill(self, edition: int, vectors: Floats) -> None:
        """Write the vectors (n, dim) of its first rows."""
        data, place = vectors.data.cast("B"), self._place(edition)
        for first in range(0, len(data), CHUNK):
            self._put(self._vectors, data[first : first + CHUNK], place + first)

    def publish(self, edition: int, instead_of: int) -> bool:
        """Let all use it; false where another one came first. Raises BusyError."""
        with self.locked() as header:
            if header.edition == instead_of:
                self._write(header._replace(edition=edition))
        return header.edition == instead_of

    def use(self, edition: int) -> None:
        """Keep it from being swept; within `locked`."""
        self._lock(fcntl.LOCK_SH, 1 + edition)

    def leave(self, edition: int) -> None:
        """The opposite; no view of it may be left."""
        self._lock(fcntl.LOCK_UN, 1 + edition)

    def view(self, edition: int, rows: int) -> tuple[Floats, mmap.mmap]:
        """(rows, dim) its vectors, and their mapping, which lives as long as an array of them.

        What is written there is this process's own: such pages are shared no more.
        """
        mapped = mmap.mmap(
            self._vectors, rows * self.row_bytes, access=mmap.ACCESS_COPY, offset=self._place(edition)
        )
        return np.frombuffer(mapped, dtype=np.float32).reshape(rows, -1), mapped

    def sweep(self, kept: Collection[int]) -> None:
        """Free the memory of editions that nobody uses, nor is to use. kept: those that this process does."""
        with self.locked() as header:
            for edition in range(header.begun + 1):
                if edition in kept or edition == header.edition or not self._lock(fcntl.LOCK_EX, 1 + edition):
                    continue
                length = max(1, header.rows) * self.row_bytes
                with mmap.mmap(self._vectors, length, offset=self._place(edition)) as mapped:
                    mapped.madvise(mmap.MADV_REMOVE)
                self._lock(fcntl.LOCK_UN, 1 + edition)

    def _place(self, edition: int) -> int:
        return edition * EDITION_BYTES

    def _header(self) -> Header:
        return Header(*HEADER.unpack(os.pread(self._control, HEADER.size, 0).ljust(HEADER.size, b"\0")))

    def _write(self, header: Header) -> None:
        # Within one page, so that a process which is killed here has written all of it or nothing.
        self._put(self._control, HEADER.pack(*header), 0)

    def _put(self, descriptor: int, data: bytes | memoryview, at: int) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(descriptor, rest, at)
            rest, at = rest[written:], at + written

    def _lock(self, kind: int, byte: int) -> bool:
        try:
            fcntl.lockf(self._control, kind if kind == fcntl.LOCK_UN else kind | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            return False
        return True
