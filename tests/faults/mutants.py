"""Right records of each format, and what a seeded hand makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

import orjson

from streams.events.adapters import adapter
from streams.events.canonical import good_record
from streams.events.records import Record

T0 = 1_600_000_000_000
EVENT: dict[str, Any] = {
    "event_id": "e1",
    "user_id": "u1",
    "item_id": "i1",
    "action": "rate",
    "value": 4.5,
    "timestamp": T0,
    "text": "naïve ☕ text",
    "media": ["https://example.org/1"],
    "session_id": "s",
    "recommendation_id": "r",
    "source": "shop",
}
ENVELOPE = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "com.shop.rate", "subject": "i1"}
BINARY = [(f"ce_{name}", value.encode()) for name, value in ENVELOPE.items()]
JSON = ("content-type", b"application/json")
STRUCTURED = ("content-type", b"application/cloudevents+json")
# What a value is replaced by: each has broken some parser.
ODD: tuple[bytes, ...] = (
    *(b"null", b"true", b"-0", b"1e400", b"-1e400", b"NaN", b"Infinity", b"1e-400", b"9" * 400),
    *(
        b'""',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\\u0000"',
        b'"\x00"',
        b'"\xff"',
        b'"' + b"x" * 5000 + b'"',
    ),
    *(
        b"[]",
        b"{}",
        b"[" * 60,
        b"[" * 60 + b"]" * 60,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"18446744073709551616",
    ),
    *(
        b'"2024-02-30T00:00:00Z"',
        b'"2024-05-01t10:00:00z"',
        b'"9999-12-31T23:59:60+99:99"',
        b"-62135596800001",
    ),
)
HEADERS: tuple[tuple[str, bytes | None], ...] = (
    ("content-type", None),
    ("content-type", b"\xff"),
    ("content-type", b"application/cloudevents-batch+json"),
    ("ce_specversion", b"\xc3"),
    ("ce_id", b""),
    ("ce_time", b"never"),
    ("", b"x"),
)


Headers = list[tuple[str, bytes]]
_EVENT = orjson.dumps(EVENT)
_PLAIN: list[tuple[bytes, Headers]] = [(_EVENT, []), (orjson.dumps({"user_id": 7, "action": "click"}), [])]
# Valid records of a format beside its example: those that are read in another way.
MORE_SEEDS: dict[str, list[tuple[bytes, Headers]]] = {
    "native": _PLAIN,
    "canonical": _PLAIN,
    "cloudevents": [
        (_EVENT, [*BINARY, JSON]),
        (orjson.dumps({**ENVELOPE, "data": EVENT}), [STRUCTURED]),
    ],
}
# Fields of a value that is no JSON.
FIELD = re.compile(rb"[^,;:|=\t\r\n]+")


def seeds_of(name: str) -> list[tuple[bytes, Headers]]:
    """Valid values of a format, with their headers: its adapter's example first."""
    example = good_record() if name == "canonical" else adapter(name).example
    return [(example, []), *MORE_SEEDS.get(name, ())]


class Mutants:
    """An endless, seeded row of mutated records of one format."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.random = Random(f"{name} {seed}")
        self.seeds = seeds_of(name)
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._flip, self._cut, self._insert, self._double, self._replace, self._replace, lambda value: value,
        )  # fmt: skip

    @staticmethod
    def record(
        value: bytes | None, headers: Any = (), timestamp: int | None = T0, key: bytes | None = b"k"
    ) -> Record:
        """A record at some place."""
        return Record("topic", 3, 12, timestamp, key, value, headers)

    def next(self) -> Record:
        """A record that was right once, mutated a few times."""
        rng = self.random
        value, given = rng.choice(self.seeds)
        headers = list(given)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
            value = rng.choice(self._ways)(value)
        if rng.random() < 0.15:
            headers.insert(rng.randrange(len(headers) + 1), rng.choice(HEADERS))  # type: ignore[arg-type]
        if headers and rng.random() < 0.05:
            del headers[rng.randrange(len(headers))]
        gone = rng.random()
        key = None if gone < 0.1 else b"\xff" if gone < 0.15 else b"k"
        return self.record(None if gone > 0.99 else value, headers, rng.choice((T0, T0, None, -1)), key)

    def _flip(self, value: bytes) -> bytes:
        if not value:
            return b"\x00"
        place = self.random.randrange(len(value))
        return value[:place] + bytes([value[place] ^ (1 << self.random.randrange(8))]) + value[place + 1 :]

    def _cut(self, value: bytes) -> bytes:
        start = self.random.randrange(len(value) + 1)
        return value[:start] + value[start + self.random.randrange(1, 40) :]

    def _insert(self, value: bytes) -> bytes:
        place = self.random.randrange(len(value) + 1)
        given = self.random.choice(
            (self.random.randbytes(3), b"\n", b'"', b"\\", b"{", b"\xef\xbb\xbf", *ODD)
        )
        return value[:place] + given + value[place:]

    def _double(self, value: bytes) -> bytes:
        place = self.random.randrange(len(value) + 1)
        return value[place:] + value if self.random.random() < 0.2 else value + value[place:]

    def _replace(self, value: bytes) -> bytes:
        """Another value for one of the fields."""
        if not value.lstrip().startswith((b"{", b"[")):
            return self._replace_plain(value)
        colons = [place for place, byte in enumerate(value) if byte == 0x3A]
        if not colons:
            return value
        start = self.random.choice(colons) + 1
        stop = min((end for mark in b",}" if (end := value.find(mark, start)) >= 0), default=len(value))
        return value[:start] + self.random.choice(ODD) + value[stop:]

    def _replace_plain(self, value: bytes) -> bytes:
        """The same, of a value that is no JSON."""
        fields = list(FIELD.finditer(value))
        if not fields:
            return value
        field = self.random.choice(fields)
        return value[: field.start()] + self.random.choice(ODD) + value[field.end() :]
