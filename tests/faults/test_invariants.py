"""The checks can fail: a deployment of sound records, one of them corrupted, is always found out."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest

from encoders.text.hashing import HashingEncoder
from streams.events.records import Record
from streams.settings.settings import Settings
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow
from tests.faults import invariants, load
from tests.faults.log import Changelog, Published

Corrupt = Callable[[Any], None]
EVENTS = 300


class Sound:
    """A changelog and published vectors that are right, as one process made them."""

    def __init__(self) -> None:
        self.flow = build_flow(Settings(encoder="hashing", dimensions=16), "hashing@test")
        for index in range(load.ITEMS):
            self.flow.catalog.put(f"i{index}", unit(index))
        self.flow.partitions[0] = part = UserPartition(0, self.flow.layout)
        self.written: dict[str, list[str]] = {}
        records = []
        for offset, (user, event_id, value) in enumerate(made(EVENTS)):
            self.written.setdefault(user, []).append(event_id)
            records.append(Record("events", 0, offset, load.T0 * 2, user.encode(), value, ()))
        self.state, self.vectors = [], []
        for start in range(0, EVENTS, 50):
            updated = self.flow.update(
                0, decoded := self.flow.decode(records[start : start + 50]), texts(decoded)
            )
            self.state += updated.state
            self.vectors += updated.vectors
        self.expected = self.read(self.state).rows
        assert len(part) == len(self.expected)

    def read(self, state: list[tuple[bytes, bytes]]) -> Changelog:
        """Changelog records, as the harness reads them."""
        changelog = Changelog(self.flow)
        for key, value in state:
            changelog.put(key.decode(), value)
        return changelog

    def published(self) -> Published:
        """Vector records, as the harness reads them."""
        found = Published()
        for key, value in self.vectors:
            found.add(SimpleNamespace(key=lambda key=key: key, value=lambda value=value: value))  # type: ignore[arg-type]
        return found

    def problems(self) -> dict[str, list[str]]:
        """Every check that can be made without a broker."""
        rows, model = self.read(self.state).rows, self.flow.model
        return {
            "lost": invariants.none_lost(self.written, rows),
            "twice": invariants.none_twice(self.written, rows),
            "bits": invariants.same_bits(self.expected, rows),
            "vectors": invariants.same_vectors(model, self.expected, self.published()),
            "final": invariants.outputs_are_final(model, rows, self.published()),
            "down": invariants.never_down(self.published()),
        }

    def rewrite(self, field: str, change: Callable[[Any], Any], last: bool = True) -> None:
        """Change a field of a user's changelog record."""
        key, value = self.state[-1 if last else 0]
        row = bytearray(value)
        view = self.flow.layout.view(np.frombuffer(row, np.uint8)[None, : self.flow.layout.size])
        view[field] = change(view[field])
        self.state[-1 if last else 0] = key, bytes(row)


def unit(index: int) -> Any:
    """The vector of an item."""
    vector = np.random.default_rng(index).standard_normal(16).astype(np.float32)
    return vector / np.linalg.norm(vector)


def texts(decoded: Any) -> Any:
    """Vectors of a batch's texts."""
    return HashingEncoder(16).encode(decoded.texts())


def made(count: int) -> list[tuple[str, str, bytes]]:
    """Right events."""
    events = load.Events(1, broken=0.0)
    return [(user, event_id or "", value) for user, event_id, value in (events.next() for _ in range(count))]


def drop_a_batch(sound: Sound) -> None:
    sound.state = [record for record in sound.state if int.from_bytes(record[1][:8], "little") < 250]


def count_once_more(sound: Sound) -> None:
    sound.rewrite("applied", lambda count: count + 1)


def count_another(sound: Sound) -> None:
    """As many events, but not the same: only their checksum tells."""
    sound.rewrite("digest", lambda digest: digest ^ 1)


def turn_a_bit(sound: Sound) -> None:
    key, value = sound.state[-1]
    offset = sound.flow.layout.dtype.fields["model"][1]
    sound.state[-1] = key, value[: offset + 1] + bytes([value[offset + 1] ^ 1]) + value[offset + 2 :]


def lose_an_output(sound: Sound) -> None:
    newest = sound.vectors[-1][0]
    sound.vectors = [record for record in sound.vectors if record[0] != newest]


def publish_an_older_one_as_newest(sound: Sound) -> None:
    record = orjson.loads(sound.vectors[0][1])
    sound.vectors.append((sound.vectors[0][0], orjson.dumps({**record, "count": 10_000})))


def publish_an_older_one_again(sound: Sound) -> None:
    again = sound.vectors[-1][0]
    first = next(record for record in sound.vectors if record[0] == again)
    assert first != sound.vectors[-1]
    sound.vectors.append(first)


def test_what_is_sound_passes() -> None:
    assert not any(Sound().problems().values())


@pytest.mark.parametrize(
    ("corrupt", "caught_by"),
    [
        (drop_a_batch, {"lost", "bits", "final"}),
        (count_once_more, {"twice", "bits"}),
        (count_another, {"twice", "bits"}),
        (turn_a_bit, {"bits"}),
        (lose_an_output, {"final"}),
        (publish_an_older_one_as_newest, {"vectors", "final"}),
        (publish_an_older_one_again, {"down"}),
    ],
)
def test_what_is_corrupted_is_found_out(corrupt: Callable[[Sound], None], caught_by: set[str]) -> None:
    sound = Sound()
    corrupt(sound)
    assert caught_by <= {name for name, found in sound.problems().items() if found}
