"""The books: every record read has exactly one outcome, and the topics prove it.

Ingest: each record of a raw source is one canonical event or one rejection, told apart by the origin that
both carry in their headers; a record that a crash made us write twice is a `repeat`, not a second event.
Update: each canonical event is applied, applied late, a duplicate, neutral (nothing to learn from), rejected,
waiting for its item, or dropped from an overfull waiting list. These counts live in the changelog's
watermark records, so they are as durable as the states themselves. Recovered is an event that is in the state of a
worker which ended before it could write how: applied, late, neutral or a duplicate.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from streams.events import Reason
from streams.provenance import CONNECT, REASON, SOURCE, origin
from streams.reading import bounds_of, read_all
from streams.security import librdkafka_config
from streams.settings import Settings
from streams.state.changelog import CONTROL_KEYS, WATERMARK_KEY, Watermark

OUTCOMES = ("applied", "late", "duplicate", "repeat", "neutral", "waiting", "dropped", "recovered")


@dataclass(slots=True)
class Books:
    """Counts of one deployment, from its topics."""

    sources: dict[str, int] = field(default_factory=dict)
    canonical: int = 0
    canonical_repeats: int = 0
    canonical_direct: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_repeats: int = 0
    without_user: int = 0
    read: int = 0
    unread: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    rejected_update: int = 0
    users: int = 0
    vector_records: int = 0
    vector_users: int = 0
    recommendation_records: int = 0
    recommendation_users: int = 0
    recommendation_users_empty: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """True where no record is unaccounted for."""
        return not self.problems


def audit(settings: Settings) -> Books:
    """Read the topics of a deployment. Workers should be idle: what is unread is counted as such."""
    config = librdkafka_config(settings)
    books = Books()
    raw = {source.topic for source in settings.raw_sources}
    for topic in sorted(raw):
        books.sources[topic] = sum(len(messages) for messages in read_all(config, topic))
    ingested = _canonical(config, settings.events_topic, raw, books)
    refused = _rejected(config, settings.topic_rejected, raw, settings.events_topic, books)
    _state(config, settings, books)
    _outputs(config, settings, books)
    _balance(books, ingested, refused)
    return books


def _canonical(config: dict[str, Any], topic: str, raw: set[str], books: Books) -> Counter[str]:
    """Count canonical events by where they came from; returns distinct origins per source topic."""
    origins: set[tuple[str, str, str]] = set()
    for messages in read_all(config, topic):
        for message in messages:
            found = origin(message.headers(), SOURCE)
            books.canonical += 1
            if found is None or found[0] not in raw:
                books.canonical_direct += 1
            elif found in origins:
                books.canonical_repeats += 1
            else:
                origins.add(found)
    return Counter(topic for topic, _, _ in origins)


def _rejected(
    config: dict[str, Any], topic: str, raw: set[str], events_topic: str, books: Books
) -> Counter[str]:
    origins: set[tuple[str, str, str]] = set()
    reasons: Counter[str] = Counter()
    for messages in read_all(config, topic):
        for message in messages:
            found = origin(message.headers(), CONNECT)
            if found is None or found[0] not in raw | {events_topic}:
                continue
            if found in origins:
                books.rejected_repeats += 1
                continue
            origins.add(found)
            if found[0] in raw:
                reasons[dict(message.headers())[REASON].decode()] += 1
    books.without_user = reasons.pop(Reason.MISSING_USER.value, 0)
    books.rejected = dict(sorted(reasons.items()))
    return Counter(topic for topic, _, _ in origins)


def _state(config: dict[str, Any], settings: Settings, books: Books) -> None:
    outcomes: Counter[str] = Counter()
    applied_to: dict[int, int] = {}
    users: set[tuple[int, bytes]] = set()
    marks: dict[int, Watermark] = {}
    for messages in read_all(config, settings.topic_state):
        for message in messages:
            partition, key, value = message.partition(), message.key(), message.value()
            if value is not None and key == WATERMARK_KEY:
                marks[partition] = Watermark.newest(marks.get(partition), value)
            elif value is not None and key not in CONTROL_KEYS:
                users.add((partition, key))
    books.users = len(users)
    for partition, mark in marks.items():
        outcomes.update(mark.books)
        applied_to[partition] = mark.offset
    books.read = outcomes.pop("read", 0)
    books.rejected_update = sum(n for name, n in outcomes.items() if name.startswith("rejected."))
    books.outcomes = {name: outcomes.get(name, 0) for name in OUTCOMES}
    books.unread = _unread(config, settings.events_topic, applied_to)


def _unread(config: dict[str, Any], topic: str, applied_to: dict[int, int]) -> int:
    bounds = bounds_of(config, topic)
    return sum(max(0, end - max(begin, applied_to.get(p, -1) + 1)) for p, (begin, end) in bounds.items())


def _outputs(config: dict[str, Any], settings: Settings, books: Books) -> None:
    vectors: set[bytes | None] = set()
    for messages in read_all(config, settings.topic_vectors):
        books.vector_records += len(messages)
        vectors.update(message.key() for message in messages)
    books.vector_users = len(vectors)
    empty: dict[bytes | None, bool] = {}
    for messages in read_all(config, settings.topic_recommendations):
        books.recommendation_records += len(messages)
        for message in messages:
            empty[message.key()] = b'"items":[]' in (message.value() or b'"items":[]')
    books.recommendation_users = len(empty)
    books.recommendation_users_empty = sum(empty.values())


def _balance(books: Books, ingested: Counter[str], refused: Counter[str]) -> None:
    for topic, count in books.sources.items():
        told = ingested[topic] + refused[topic]
        if told != count:
            books.problems.append(f"{topic}: {count} records, but {told} are canonical or rejected")
    told = sum(books.outcomes.values()) + books.rejected_update
    if told != books.read:
        books.problems.append(f"update read {books.read} events, but {told} have an outcome")
    if books.read + books.unread != books.canonical:
        books.problems.append(
            f"{books.canonical} canonical events, but {books.read} read and {books.unread} unread"
        )


def show(books: Books, as_json: bool) -> str:
    """The books as one JSON object, or as lines for a person."""
    if as_json:
        return orjson.dumps({**asdict(books), "balanced": books.balanced}).decode()
    lines = ["source records"]
    lines += [f"  {topic:<40}{count:>12,}" for topic, count in books.sources.items()]
    lines += ["canonical events", f"  {'in the topic':<40}{books.canonical:>12,}"]
    for name in ("canonical_direct", "canonical_repeats", "without_user"):
        lines.append(f"  {name.replace('_', ' '):<40}{getattr(books, name):>12,}")
    lines += [f"  rejected: {reason:<30}{count:>12,}" for reason, count in books.rejected.items()]
    lines += ["update", f"  {'read':<40}{books.read:>12,}"]
    lines += [f"  {name:<40}{count:>12,}" for name, count in books.outcomes.items()]
    for name in ("rejected_update", "unread", "users"):
        lines.append(f"  {name.replace('_', ' '):<40}{getattr(books, name):>12,}")
    lines.append("published")
    for name in ("vector_records", "vector_users", "recommendation_records", "recommendation_users"):
        lines.append(f"  {name.replace('_', ' '):<40}{getattr(books, name):>12,}")
    lines.append(f"  {'users with an empty recommendation':<40}{books.recommendation_users_empty:>12,}")
    return "\n".join([*lines, *(books.problems or ["the books balance"])])
