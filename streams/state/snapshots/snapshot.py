"""A partition's state in one local file, so that a restart reads only the end of the changelog.

A snapshot is the state that a recovery would have found at some moment, had the changelog ended there, and an
offset at or below that end. From this offset on, a compacted changelog still holds the newest record of each key
that was written there: compaction drops a record only where a later one of its key follows. So the snapshot's rows
and the records from the offset on give, per key, the same highest (offset, count, epoch) as the whole changelog, and
the same newest progress record. A record that the snapshot contains and that is read again ties with its row, and its
offset becomes the row's.

For that, the snapshot must hold all that the changelog holds up to the offset, and nothing more. It is saved only
once every record that was under way has been delivered, each right behind the last. A gap is another writer's
record, perhaps a newer owner's; from then on nothing is saved before the next recovery. And every row knows the
offset of its record, or the record stands at the snapshot's offset or behind it: a progress record claims the outputs
of what its writer had read, and a writer that had been replaced may have read up to anywhere.

The one exception is a tombstone. It is newer than the snapshot and hides its key, but after `delete.retention.ms`
compaction drops the tombstone itself, and the snapshot would bring the key back. Nothing here writes tombstones, and
a recovery ignores them; whoever removes keys from a changelog by hand removes the snapshots, too.

The file is a cache: where anything about it is in doubt it is ignored, and the whole changelog is read. Whoever can
write it can change states, as whoever can write the changelog can; the checksum detects accidents, not forgery.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from streams.state.changelog import Progress, TopicIdentity
from streams.state.layout import Layout, Rows

log = logging.getLogger(__name__)

MAGIC = b"IFSTATE\n"
# Of the file's own form. The layout's id says how rows and variable parts are laid out.
VERSION = 1
# Magic, version, bytes of the header that follows.
_LEAD = struct.Struct("<8sII")
# The fastest in the standard library on processors with SHA instructions.
_checksum = hashlib.sha256
_CHECKSUM_BYTES = 32


class Header(
    msgspec.Struct, frozen=True, rename={"keys": "users", "progress": "mark", "variable_parts": "tails"}
):
    """See Snapshot; and the length of each section that follows, in this order."""

    partition: int
    changelog: TopicIdentity
    begin: int
    offset: int
    progress: Progress
    # Bytes.
    keys: int
    rows: int
    variable_parts: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A partition's state, as its changelog has it up to an offset."""

    partition: int
    # The changelog's topic when the snapshot was made, and the first offset that it still held.
    changelog: TopicIdentity
    begin: int
    # Exclusive: the first record that the snapshot may not contain.
    offset: int
    # The newest.
    progress: Progress
    # n, each once.
    keys: list[str]
    # (n, size) bytes, as in the arena.
    rows: Rows
    # By index into keys, where there is one.
    variable_parts: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a snapshot must fit."""

    partition: int
    layout: Layout
    # The canonical topic; its id may be unknown.
    source: TopicIdentity
    # The changelog's topic. Its id must be known: a topic that was created anew may have grown past the offset.
    changelog: TopicIdentity
    # The first offset of the changelog's partition now, and one past the last.
    begin: int
    end: int


def path(folder: Path, topic: str, partition: int) -> Path:
    """Where the snapshot of a changelog topic's partition lies."""
    return folder / f"{topic}-{partition}.snapshot"


def save(folder: Path, snapshot: Snapshot) -> Path:
    """Write or replace the partition's file; the old one stays where that fails. Raises OSError.

    One at a time per partition. Any thread: the interpreter is free while bytes are summed and written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = path(folder, snapshot.changelog.topic, snapshot.partition)
    # Always the same name, so that what a crash leaves behind is overwritten.
    unfinished = target.with_name(target.name + ".tmp")
    unfinished.unlink(missing_ok=True)
    try:
        _write(unfinished, _sections(snapshot))
        # The folder is not synced: after a power cut the old file is as right as the new one.
        os.replace(unfinished, target)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    return target


def load(file: Path, expected: Expected) -> Snapshot | None:
    """The snapshot, or None where there is none that can be used; the log says why. Never raises for a bad file."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("snapshot %s is ignored: %s", file, error)
        return None
    try:
        header, start = _header(data)
        _check(header, expected)
        return _body(data, header, start, expected.layout)
    except _UnusableError as why:
        log.warning("snapshot %s is ignored: %s", file, why)
    except (msgspec.MsgspecError, ValueError) as error:
        # Its checksum is right, so it was written like this.
        log.warning("snapshot %s is ignored: it holds what is no state: %s", file, error)
    return None


class _UnusableError(Exception):
    """Why a file is ignored."""


def _write(file: Path, sections: Iterable[Any]) -> None:
    digest = _checksum()
    # It says who took an interest in what, so only its owner may read it.
    with open(file, "xb", opener=partial(os.open, mode=0o600)) as out:
        for section in sections:
            digest.update(section)
            out.write(section)
        out.write(digest.digest())
        out.flush()
        os.fsync(out.fileno())


def _sections(snapshot: Snapshot) -> Iterable[Any]:
    keys, variable_parts = (
        msgspec.msgpack.encode(snapshot.keys),
        msgspec.msgpack.encode(snapshot.variable_parts),
    )
    rows = np.ascontiguousarray(snapshot.rows).reshape(-1)
    header = Header(*_about(snapshot), keys=len(keys), rows=len(rows), variable_parts=len(variable_parts))
    encoded = msgspec.json.encode(header)
    return _LEAD.pack(MAGIC, VERSION, len(encoded)), encoded, keys, rows.data, variable_parts


def _about(of: Snapshot | Header) -> tuple[int, TopicIdentity, int, int, Progress]:
    return of.partition, of.changelog, of.begin, of.offset, of.progress


def _header(data: bytes) -> tuple[Header, int]:
    """The header and where the sections begin. Checks the checksum before it reads anything else."""
    if len(data) < _LEAD.size + _CHECKSUM_BYTES:
        raise _UnusableError("it is cut short")
    magic, version, length = _LEAD.unpack_from(data)
    if magic != MAGIC:
        raise _UnusableError("it is no snapshot")
    if version != VERSION:
        raise _UnusableError(f"its format is version {version}, not {VERSION}")
    whole = memoryview(data)
    if _checksum(whole[:-_CHECKSUM_BYTES]).digest() != whole[-_CHECKSUM_BYTES:]:
        raise _UnusableError("its checksum is wrong: it is damaged or cut short")
    start = _LEAD.size + length
    return msgspec.json.decode(whole[_LEAD.size : start], type=Header), start


def _check(header: Header, expected: Expected) -> None:
    """Raises _UnusableError where the snapshot belongs to something else, or its offset to a changed changelog."""
    built, source, changelog = header.progress.source, expected.source, expected.changelog
    if header.partition != expected.partition:
        raise _UnusableError(f"it is of partition {header.partition}")
    if header.progress.layout != expected.layout.id:
        raise _UnusableError(f"it was taken with another {expected.layout.depends_on}")
    if (built.topic, built.partitions) != (source.topic, source.partitions):
        raise _UnusableError(f"its events come from {built.topic} with {built.partitions} partitions")
    if built.topic_id and source.topic_id and built.topic_id != source.topic_id:
        raise _UnusableError(f"{source.topic} was made anew since")
    if header.changelog.topic != changelog.topic:
        raise _UnusableError(f"it is of the changelog {header.changelog.topic}")
    if not changelog.topic_id or header.changelog.topic_id != changelog.topic_id:
        raise _UnusableError(f"{changelog.topic} was made anew since, or its id is unknown")
    # Compaction leaves it; with records removed, a recovery would know less than the snapshot.
    if header.begin != expected.begin:
        raise _UnusableError(f"the changelog began at {header.begin} and begins at {expected.begin} now")
    if header.offset > expected.end:
        raise _UnusableError(f"it goes up to {header.offset}, but the changelog ends at {expected.end}")


def _body(data: bytes, header: Header, start: int, layout: Layout) -> Snapshot:
    whole = memoryview(data)[start:-_CHECKSUM_BYTES]
    first, last = header.keys, header.keys + header.rows
    keys = msgspec.msgpack.decode(whole[:first], type=list[str])
    # Not copied: they go into an arena next, which is copy enough.
    rows = np.frombuffer(whole[first:last], dtype=np.uint8).reshape(-1, layout.size)
    variable_parts = msgspec.msgpack.decode(whole[last:], type=dict[int, bytes])
    if last + header.variable_parts != len(whole) or len(rows) != len(keys):
        raise _UnusableError("its sections do not fit together")
    return Snapshot(*_about(header), keys, rows, variable_parts)
