"""Records read into columns at once are what they are one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from streams.events.canonical import Event
from streams.events.columns.events import Events, Names
from streams.events.columns.reading import read_events
from streams.events.decoding import decode_canonical, decode_canonical_batch
from streams.events.forgiven import Forgiven
from streams.events.provenance import Origin
from streams.events.records import Record
from streams.events.rejections import Limits
from streams.kernels.compiling import compiled, numpy_only
from streams.kernels.names import keys
from streams.state.users.duplicates import event_key, event_keys
from tests.streams.columns import columns_of

T0 = 1_600_000_000_000
LIMITS = Limits(max_bytes=400, max_id_length=40, max_action_length=8, max_text_length=30)
WORDS = st.sampled_from(
    [
        "",
        "a",
        "user-1",
        "x" * 40,
        "x" * 41,
        'quo"ted',
        "back\\slash",
        "tab\t",
        "naïve",
        "用户",
        "\x7f",
        "{[",
        "items",
    ]
)
NUMBERS = st.sampled_from(
    [
        *(
            "0",
            "-0",
            "-0.0",
            "4",
            "4.5",
            "-3.25",
            "0.1",
            "1e3",
            "1E400",
            "007",
            "1.",
            ".5",
            "123456789012345",
        ),
        *(
            "12345678.90123456",
            "0.000000000000001",
            "true",
            '"4"',
            "null",
            "99999999999999999999",
            "1_0",
            "",
            "NaN",
        ),
    ]
)
TIMES = st.sampled_from(
    [str(T0), str(T0 + 1), "5", "-5", "0", f"{T0}.0", "1e12", "null", f'"{T0}"', "99999999999999999"]
)


@st.composite
def values(draw: Any) -> bytes:
    """Bytes that are an event, nearly, or not at all."""
    fields = [
        ("event_id", draw(WORDS)),
        ("user_id", draw(WORDS)),
        ("action", draw(WORDS)),
        ("item_id", draw(WORDS)),
    ]
    rare = ("source", "session_id", "recommendation_id", "text", "item_id", "else")
    fields += [(name, draw(WORDS)) for name in rare if draw(st.integers(0, 9)) == 0]
    written = [f'"{name}":{orjson.dumps(word).decode()}' for name, word in fields]
    written.append(f'"timestamp":{draw(TIMES) if draw(st.integers(0, 4)) == 0 else T0}')
    if draw(st.booleans()):
        written.append(f'"value":{draw(NUMBERS)}')
    if draw(st.integers(0, 9)) == 0:
        written.append(
            draw(st.sampled_from(['"media":["a"]', '"media":null', '"text":null', '"products":[{}]', "x"]))
        )
    if draw(st.integers(0, 5)) == 0:
        written.remove(draw(st.sampled_from(written)))
    blank = draw(st.sampled_from(["", "", "", " ", "\n"]))
    whole = "{" + f"{blank},{blank}".join(draw(st.permutations(written))) + blank + "}"
    cut = draw(st.integers(0, 40))
    return whole.encode()[: None if cut else -1]


def ordinary(number: int) -> bytes:
    event = {
        "event_id": f"e{number}",
        "user_id": f"u{number % 7}",
        "action": "click",
        "timestamp": T0 + number,
    }
    return orjson.dumps({**event, "item_id": f"i{number % 5}", "value": number / 8, "source": "shop"})


def read(records: Sequence[Record]) -> tuple[Events, Any, Any]:
    forgiven = Forgiven()
    events, rejected = read_events(
        records, LIMITS, lambda some: decode_canonical_batch(some, LIMITS, forgiven)
    )
    return events, rejected, forgiven.counts


def named(names: Names) -> tuple[list[str], list[int]]:
    distinct, of = names.distinct()
    return distinct, of.tolist()


@given(
    drawn=st.lists(values(), max_size=12),
    seed=st.integers(0, 100),
    topics=st.booleans(),
    by_column=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_both_ways_read_the_same(drawn: list[bytes], seed: int, topics: bool, by_column: bool) -> None:
    assert compiled()
    bodies = [ordinary(number) for number in range(40)] + drawn
    order = np.random.default_rng(seed).permutation(len(bodies)).tolist()
    records = [Record("t", 0, offset, T0, None, bodies[at] or None, ()) for offset, at in enumerate(order)]
    first = read(columns_of(records) if by_column else records)
    with numpy_only():
        second = read(records)
    assert first[1:] == second[1:]
    one, other = first[0], second[0]
    for names, same in ((one.users, other.users), (one.items, other.items), (one.actions, other.actions)):
        assert named(names) == named(same)
    assert one.times.tolist() == other.times.tolist()
    assert one.values.tobytes() == other.values.tobytes()
    assert list(one.texts.items()) == list(other.texts.items())
    origins = (
        [Origin(f"topic-{at % 3}/x", 0, at) if at % 2 else None for at in range(len(one))] if topics else []
    )
    assert event_keys(one, origins).tolist() == event_keys(list(other), origins).tolist()
    some = np.arange(0, len(one), 3)
    assert list(one.only(some)) == list(other.only(some)) == list(other)[::3]
    assert named(one.only(some).users) == named(Events.of(list(other)[::3]).users)
    assert event_keys(one.only(some), []).tolist() == event_keys(list(other)[::3], []).tolist()
    assert list(one) == list(other)


@given(value=values())
@settings(max_examples=600, deadline=None)
def test_a_plain_record_is_the_event_that_it_is_by_itself(value: bytes) -> None:
    """Alone among many plain ones, so that nothing else is decoded."""
    records = [Record("t", 0, offset, T0, None, value or None, ()) for offset in range(8)]
    alone = decode_canonical(records[0], LIMITS)
    decoded = []

    def decode(some: Any) -> list[Any]:
        decoded.extend(some)
        return [alone] * len(some)

    events, _ = read_events(records, LIMITS, decode)
    if not decoded:
        assert isinstance(alone, Event)
        assert list(events) == [alone] * 8
        assert (events.users.known, events.actions.known) == ([alone.user_id], [alone.action])
        assert events.times.tolist() == [alone.timestamp] * 8


@given(name=st.binary(min_size=1, max_size=128), seed=st.integers(0, 2**64 - 1))
@settings(max_examples=200, deadline=None)
def test_keys_are_xxh3(name: bytes, seed: int) -> None:
    found = keys(
        np.frombuffer(name, np.uint8),
        np.array([[0, len(name)]]),
        np.array([[0, 0]]),
        np.array([seed], np.uint64),
    )
    assert int(found[0]) == xxh3_64_intdigest(name, seed)


def test_an_id_without_source_or_with_one_has_its_key() -> None:
    events, _, _ = read([Record("t", 0, 0, T0, None, ordinary(1), ())])
    assert event_keys(events, []).tolist() == [event_key("e1", "shop")]
