"""The books as one JSON object, or as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import orjson

from streams.history.books.ledger import Books

WIDTH = 40


def show(books: Books, as_json: bool) -> str:
    """All counts, then what does not balance."""
    if as_json:
        return orjson.dumps({**asdict(books), "balanced": books.balanced}).decode()
    lines = [*_ingest(books), *_update(books), *_actions(books), *_catalog(books), *_published(books)]
    return "\n".join([*lines, *books.notes, *(books.problems or ["the books balance"])])


def _line(name: str, count: int) -> str:
    return f"  {name.replace('_', ' '):<{WIDTH}}{count:>12,}"


def _lines(counts: Mapping[str, int], prefix: str = "") -> Iterator[str]:
    for name, count in counts.items():
        yield _line(f"{prefix}{name}", count)


def _named(counts: Mapping[str, int], what: str) -> Iterator[str]:
    """Counts by names that are not ours: topics, reasons and words stay as they are written."""
    for name, count in counts.items():
        yield f"  {f'{what}{name}':<{WIDTH}}{count:>12,}"


def _ingest(books: Books) -> Iterator[str]:
    yield "source records"
    yield from _named(books.sources, "")
    yield from _named(books.not_ingested, "not ingested yet: ")
    yield from _named(books.forgotten, "canonical no more: ")
    yield from _named(_places(books.gaps, "records"), "gap: ")
    yield from _named(_places(books.removed, "offsets"), "removed before they were read: ")
    yield "canonical events"
    yield _line("in the topic", books.canonical)
    for name in ("canonical_direct", "canonical_repeats"):
        yield _line(name, getattr(books, name))
    yield from _named(books.repeats, "written again: ")
    yield _line("without_user", books.without_user)
    yield from _named(books.rejected, "rejected: ")
    if books.rejected_repeats:
        yield _line("rejected_repeats", books.rejected_repeats)


def _places(found: list[dict[str, object]], unit: str) -> dict[str, int]:
    return {f"{one['topic']}-{one['partition']}": int(str(one[unit])) for one in found}


def _update(books: Books) -> Iterator[str]:
    yield "update"
    yield _line("read", books.read)
    yield from _lines(books.outcomes)
    for name in ("rejected_update", "unread", "users"):
        yield _line(name, getattr(books, name))


def _actions(books: Books) -> Iterator[str]:
    if not books.actions_without_rule:
        return
    yield "events whose action has no rule (INTERESTFLOW_ACTIONS gives it a weight)"
    # As JSON, for a producer may write anything.
    words = {orjson.dumps(word).decode(): count for word, count in books.actions_without_rule.items()}
    yield from _named(words, "")
    if books.actions_without_rule_other:
        yield _line("other words", books.actions_without_rule_other)
    word = orjson.dumps({next(iter(books.actions_without_rule)): {"weight": 1}}).decode()
    yield f"  for example: INTERESTFLOW_ACTIONS='{word}'"


def _catalog(books: Books) -> Iterator[str]:
    yield "catalog records"
    yield from _lines(books.items)
    yield from _named(books.items_refused, "refused: ")


def _published(books: Books) -> Iterator[str]:
    yield "published"
    for name in ("vector_records", "vector_users", "recommendation_records", "recommendation_users"):
        yield _line(name, getattr(books, name))
    yield _line("users with an empty recommendation", books.recommendation_users_empty)
