"""Runs of JSON records with nothing wrong, decoded and checked at once; any other record is looked at by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

from streams.events.rejections import FEW_BRACKETS, Limits

# Records decoded at once: one that is wrong sends so many the long way.
RUN = 250


class Checked(Protocol):
    """What of an event is checked beside its time."""

    event_id: str
    user_id: str
    action: str
    item_id: str | None
    text: str | None
    session_id: str | None
    recommendation_id: str | None


E = TypeVar("E", bound=Checked)


def lines(values: Sequence[bytes | None]) -> bytes:
    """The values, a line each."""
    return b"\n".join(value or b"" for value in values)


def decode_run(
    values: Sequence[bytes | None], joined: bytes, limits: Limits, decode_lines: Callable[[bytes], list[E]]
) -> list[E] | None:
    """The events of these values, or None where at least one has to be looked at by itself.

    Decoded as lines: as no value holds a line break, as many events as values means one in each. Their times are not
    checked. joined: the same values as `lines`.
    """
    given = [value for value in values if value]
    brackets = min(FEW_BRACKETS, limits.max_depth)
    # Each has one bracket at least, so no value can have more than what all have beyond one each.
    if (
        len(given) < len(values)
        or joined.count(b"\n") != len(values) - 1
        or max(map(len, given)) > limits.max_bytes
        or (
            joined.count(b"{") + joined.count(b"[") - len(given) >= brackets
            and max(value.count(b"{") + value.count(b"[") for value in given) > brackets
        )
    ):
        return None
    try:
        events = decode_lines(joined)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return events if len(events) == len(values) and _are_right(events, limits) else None


def in_range(times: Sequence[int], limits: Limits) -> bool:
    """True where all times, one at least, are ones that an event may have."""
    return limits.min_timestamp_ms <= min(times) and max(times) <= limits.max_timestamp_ms


def _are_right(events: Sequence[Checked], limits: Limits) -> bool:
    """False where `event_problem` might find one: columns are checked at once, and a little more strictly."""
    longest, users = limits.max_id_length, [event.user_id for event in events]
    items = [event.item_id for event in events if event.item_id is not None]
    rare = [i for e in events for i in (e.session_id, e.recommendation_id) if i is not None]
    texts = [event.text for event in events if event.text is not None]
    return (
        _within(users, longest)
        and _within(items, longest)
        and _within(rare, longest)
        and _within([event.event_id for event in events], longest)
        and _within([event.action for event in events], limits.max_action_length)
        and "".join(users).isprintable()
        and "".join(items).isprintable()
        and max(map(len, texts), default=0) <= limits.max_text_length
    )


def _within(names: list[str], longest: int) -> bool:
    """True where each has 1 to `longest` characters."""
    lengths = list(map(len, names))
    return not lengths or (min(lengths) > 0 and max(lengths) <= longest)
