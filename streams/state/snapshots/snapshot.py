"""A partition's state in one local file, so that a restart reads only the end of the changelog.

A snapshot is the state that a recovery would have found at some moment, had the changelog ended there, and an
offset below that end. From the offset on, a compacted changelog still holds the newest record of each key that was
written there: compaction drops a record only where a later one of its key follows. So the snapshot's rows and the
records from the offset on give, per user, the same highest (offset, count, term) as the whole changelog, and the same
newest mark. What is contained already and read again ties, and its place becomes that of its record.

For that, the changelog up to the end meant must hold the state, and nothing that the state lacks: a snapshot is
saved only once every record that was on its way has been delivered, each right behind the last. A gap is another
writer's record, perhaps a newer owner's; from then on nothing is saved before the next recovery. And every row
tells its place, or its record stands at the offset or behind it: a mark may call out what its writer had read, and
one that had been replaced before may have read up to anywhere.

The one case where the offset does not do: a tombstone. It is newer than the snapshot and hides its user, but after
`delete.retention.ms` compaction drops the tombstone itself, and the snapshot would bring the user back. Nothing
here writes tombstones, and a recovery does not read them; who removes users from a changelog by hand removes
the snapshots, too.

The file is a cache: where anything about it is in doubt it is ignored, and the whole changelog is read. One who can
write it can change states, as one who can write the changelog can; the checksum tells accidents, not forgery.
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

from streams.state.changelog import SourceTopic, Watermark
from streams.state.layout import Layout, Rows

log = logging.getLogger(__name__)

MAGIC = b"IFSTATE\n"
# Of the file's own form; how a row and a tail are laid out is the layout's id.
VERSION = 1
# Magic, version, bytes of the header that follows.
_LEAD = struct.Struct("<8sII")
# Of those in the standard library the fastest on processors with SHA instructions.
_checksum = hashlib.sha256
_CHECKSUM_BYTES = 32


class Header(msgspec.Struct, frozen=True):
    """See Snapshot. users, rows, tails: bytes of the sections that follow, in this order."""

    partition: int
    changelog: SourceTopic
    begin: int
    offset: int
    mark: Watermark
    users: int
    rows: int
    tails: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A partition's state, which contains its changelog up to an offset (exclusive).

    changelog, begin: the topic that the offset is of, as it was, and its first offset. mark: the newest. users: n
    ids, each once. rows: (n, size) bytes, as in the arena. tails: by index into users, where there is one.
    """

    partition: int
    changelog: SourceTopic
    begin: int
    offset: int
    mark: Watermark
    users: list[str]
    rows: Rows
    tails: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a snapshot must fit. begin, end: offsets of the changelog partition now; end is one past the last.

    source: the canonical topic, whose id may be unknown. changelog: its topic, whose id must be known: a changelog
    that was made anew may have grown past the offset.
    """

    partition: int
    layout: Layout
    source: SourceTopic
    changelog: SourceTopic
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
        # Sealed by its checksum, so it was written like this.
        log.warning("snapshot %s is ignored: it holds what is no state: %s", file, error)
    return None


class _UnusableError(Exception):
    """Why a file is ignored."""


def _write(file: Path, sections: Iterable[Any]) -> None:
    digest = _checksum()
    # It says who took an interest in what: for nobody else to read.
    with open(file, "xb", opener=partial(os.open, mode=0o600)) as out:
        for section in sections:
            digest.update(section)
            out.write(section)
        out.write(digest.digest())
        out.flush()
        os.fsync(out.fileno())


def _sections(snapshot: Snapshot) -> Iterable[Any]:
    users, tails = msgspec.msgpack.encode(snapshot.users), msgspec.msgpack.encode(snapshot.tails)
    rows = np.ascontiguousarray(snapshot.rows).reshape(-1)
    header = Header(*_about(snapshot), users=len(users), rows=len(rows), tails=len(tails))
    encoded = msgspec.json.encode(header)
    return _LEAD.pack(MAGIC, VERSION, len(encoded)), encoded, users, rows.data, tails


def _about(of: Snapshot | Header) -> tuple[int, SourceTopic, int, int, Watermark]:
    return of.partition, of.changelog, of.begin, of.offset, of.mark


def _header(data: bytes) -> tuple[Header, int]:
    """The header and where the sections begin; nothing is believed before the checksum is right."""
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
    """Raises _UnusableError where the snapshot is of another thing, or its offset says nothing any more."""
    built, source, changelog = header.mark.source, expected.source, expected.changelog
    if header.partition != expected.partition:
        raise _UnusableError(f"it is of partition {header.partition}")
    if header.mark.layout != expected.layout.id:
        raise _UnusableError("it was taken with another model, encoder, projection or other sizes")
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
    first, last = header.users, header.users + header.rows
    users = msgspec.msgpack.decode(whole[:first], type=list[str])
    # Not copied: they go into an arena next, which is copy enough.
    rows = np.frombuffer(whole[first:last], dtype=np.uint8).reshape(-1, layout.size)
    tails = msgspec.msgpack.decode(whole[last:], type=dict[int, bytes])
    if last + header.tails != len(whole) or len(rows) != len(users):
        raise _UnusableError("its sections do not fit together")
    return Snapshot(*_about(header), users, rows, tails)
