"""Poison: what cannot be handled by itself is isolated, and its neighbours never notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, log2
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from encoders.serving.cache import CachedEncoder
from encoders.text.hashing import HashingEncoder
from streams.catalog.items import Item, encode_embedding, fingerprint
from streams.catalog.updater import CatalogUpdater
from streams.events.adapters import FORMATS, adapter
from streams.events.adapters.base import parse_each
from streams.events.adapters.native import NativeAdapter
from streams.events.canonical import Event
from streams.events.isolation import ATTEMPTS, MANY, EverythingFailsError, isolate
from streams.events.provenance import rejected_headers
from streams.events.rejections import Limits, Reason, Rejected
from streams.flow import flow as module
from streams.flow.encoding import encode_isolating
from streams.flow.flow import Flow
from streams.history.replay import replay
from streams.kernels.compiling import numpy_only
from tests.streams.flow.test_flow import restore
from tests.streams.flows import DIM, Record, apply, item_vector, make_flow, record, settle

LIMITS = Limits()


class PoisonError(Exception):
    """What a poison event raises."""


def poisoned(**options: Any) -> Flow:
    """A flow whose fold raises for every event with the action `poison`."""
    flow = make_flow(default_action_weight=1.0, **options)
    weigh = flow.event_weights.weigh

    def raising(events: Sequence[Event], *arguments: Any) -> Any:
        if any(event.action == "poison" for event in events):
            raise PoisonError("of this I cannot eat")
        return weigh(events, *arguments)

    flow.event_weights.weigh = raising  # type: ignore[method-assign]
    return flow


def everything(flow: Flow) -> tuple[dict[str, bytes], dict[str, Any], int]:
    """Each user's whole record, the books, and the processed offset."""
    part = flow.partitions[0]
    rows = np.array(list(part.row_of.values()), dtype=np.int64)
    books = {name: count for name, count in part.books.items() if count}
    return (
        dict(zip(part.row_of, [v for _, v in part.records(rows, part.read_rows(rows))], strict=True)),
        books,
        part.processed_offset,
    )


def as_rejected(log: Sequence[Record]) -> list[Record]:
    """The same log where the poison is no event from the start."""
    return [Record(b"{", r.offset) if b"poison" in (r.value or b"") else r for r in log]


def balanced(flow: Flow) -> bool:
    books = dict(flow.partitions[0].books)
    return books.pop("read") == sum(books.values())


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["u0", "u1", "u2", "u3"]),
        st.sampled_from(["click", "rate", "search", "poison"]),
        st.sampled_from(["i0", "i1", "missing"]),
    ),
    min_size=1,
    max_size=40,
)


@given(events=EVENTS, cuts=st.sets(st.integers(1, 39), max_size=4))
@hypothesis_settings(max_examples=100)
def test_neighbours_get_the_bits_that_they_get_beside_a_record_that_is_no_event(
    events: Any, cuts: set[int]
) -> None:
    """Whatever the batches: what is isolated depends on the log alone."""
    log = [
        record(n, user, None if action == "search" else item, action=action, text="red", value=3.0)
        for n, (user, action, item) in enumerate(events)
    ]
    log.append(record(len(log), "good"))
    # One that waits for its item was not folded yet.
    plain = make_flow(default_action_weight=1.0)
    apply(
        plain,
        [r if b"missing" in (r.value or b"") else s for r, s in zip(log, as_rejected(log), strict=True)],
    )
    flow = poisoned()
    edges = [0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]
    isolated = [offset for a, b in pairwise(edges) for offset in isolated_offsets(flow, log[a:b])]
    assert isolated == [
        n for n, (_, action, item) in enumerate(events) if action == "poison" and item != "missing"
    ]
    states, books, processed_offset = everything(flow)
    expected, plain_books, plain_offset = everything(plain)
    assert (states, processed_offset) == (expected, plain_offset)
    assert books.pop("rejected.handling_failed", 0) == plain_books.pop("rejected.not_json", 0)
    assert books == plain_books
    assert balanced(flow)


def isolated_offsets(flow: Flow, log: Sequence[Record]) -> list[int]:
    return [kept.offset for kept, _ in apply(flow, list(log)).isolated]


def test_an_isolated_event_is_told_with_its_record_and_what_it_raised() -> None:
    flow, poison = poisoned(), record(1, "new", action="poison")
    updated = apply(flow, [record(0), poison, record(2, "other")])
    ((kept, reason),) = updated.isolated
    assert kept is poison
    headers = dict(rejected_headers(kept, reason))
    assert headers["interestflow.reason"] == b"handling_failed"
    assert headers["__connect.errors.stage"] == b"update.fold"
    assert headers["__connect.errors.exception.class.name"].endswith(b".PoisonError")
    assert headers["__connect.errors.exception.message"] == b"PoisonError: of this I cannot eat"
    assert sorted(flow.partitions[0].row_of) == ["other", "u"]
    assert {key for key, _ in updated.vectors} == {key for key, _ in updated.state} == {b"u", b"other"}


def test_one_poison_in_a_batch_by_itself_is_isolated_too() -> None:
    flow = poisoned()
    assert isolated_offsets(flow, [record(0, action="poison")]) == [0]
    assert flow.partitions[0].books == {"read": 1, "rejected.handling_failed": 1}


def test_what_fails_for_a_good_event_too_ends_it_and_leaves_no_trace() -> None:
    flow = make_flow()
    apply(flow, [record(0), record(1, item="missing")])
    before = everything(flow)

    def broken(*_: Any) -> int:
        raise TypeError("a bug")

    flow.model.update = broken  # type: ignore[method-assign]
    with pytest.raises(EverythingFailsError, match="a bug") as raised:
        apply(flow, [record(2), record(3, "new"), record(4, item="missing")])
    assert isinstance(raised.value.__cause__, TypeError)
    assert everything(flow) == before


def test_many_that_fail_and_none_that_does_not_are_no_poison() -> None:
    log = [record(n, action="poison") for n in range(MANY)]
    with pytest.raises(EverythingFailsError, match=f"all {MANY}"):
        apply(poisoned(), log)
    assert len(isolated_offsets(poisoned(), [*log, record(MANY)])) == MANY


@given(
    count=st.integers(1, 12),
    poison=st.sets(st.integers(0, 11), max_size=2),
    outages=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=ATTEMPTS - 1),
)
def test_fewer_outages_than_attempts_make_no_poison_of_what_is_good(
    count: int, poison: set[int], outages: list[tuple[int, int]]
) -> None:
    """An outage lasts for some calls, of attempts and probes alike; whoever waits for its end attempts all again."""
    calls = 0

    def called(run: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        if any(first <= calls - 1 < first + length for first, length in outages):
            raise ConnectionError
        if poison & set(run):
            raise PoisonError
        return run

    while True:
        try:
            done, failed = isolate(count, called, lambda: called(()))
        except EverythingFailsError:
            continue
        break
    assert failed.keys() == {index for index in poison if index < count}
    assert [index for run in done for index in run] == [n for n in range(count) if n not in poison]


def test_out_of_memory_is_nobodys_poison() -> None:
    flow = make_flow()

    def full(*_: Any) -> int:
        raise MemoryError

    flow.model.update = full  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        apply(flow, [record(0)])


@pytest.mark.parametrize("weight", [1e20, 3e38, float("inf"), float("nan")])
def test_a_weight_that_would_leave_no_finite_interest_is_isolated(weight: float) -> None:
    log = [record(0), record(1, "huge", action="huge", value=1e300), record(2)]
    flow, plain = make_flow(), make_flow()
    flow.event_weights.weight_of["huge"] = weight
    ((kept, reason),) = apply(flow, log).isolated
    assert (kept.offset, reason.reason) == (1, Reason.NOT_FINITE)
    apply(plain, [log[0], Record(b"{", 1), log[2]])
    assert everything(flow)[0] == everything(plain)[0]
    assert flow.partitions[0].books["rejected.not_finite"] == 1


def test_poison_that_waited_for_its_item_is_isolated_when_it_comes() -> None:
    flow = poisoned()
    apply(flow, [record(0, item="new", action="poison"), record(1, item="new")])
    flow.catalog.put("new", item_vector(50))
    (released,) = flow.ready_events().values()
    ((kept, reason),) = settle(flow, 0, released).isolated
    assert (kept.topic, kept.partition, kept.offset, kept.key) == ("behavior.events.v1", 0, 0, b"u")
    assert orjson.loads(kept.value or b"")["action"] == "poison"
    assert reason.reason == Reason.HANDLING_FAILED
    books = flow.partitions[0].books
    assert (books["waiting"], books["applied"], books["rejected.handling_failed"]) == (0, 1, 1)
    assert balanced(flow)
    assert not flow.partitions[0].waiting.count


def test_poison_that_waited_waits_no_more_after_a_recovery_either() -> None:
    flow = poisoned()
    log = dict(apply(flow, [record(0, item="new", action="poison")]).state)
    flow.catalog.put("new", item_vector(50))
    (released,) = flow.ready_events().values()
    log |= dict(settle(flow, 0, released).state)
    again = make_flow()
    restore(again, log)
    assert not again.partitions[0].waiting.count


def test_a_replay_isolates_what_the_live_run_did() -> None:
    log = [record(n, f"u{n % 5}", action="poison" if n % 7 == 3 else "click") for n in range(200)]
    live, again = poisoned(), poisoned()
    for begin in range(0, len(log), 23):
        apply(live, log[begin : begin + 23])
    for _ in replay(again, HashingEncoder(DIM), log):
        pass
    assert everything(live) == everything(again)


# --- decoding ---------------------------------------------------------------------------------------------


def fragile(parse: Callable[..., Any]) -> Callable[..., Any]:
    """As it was, but with a bug for what says `poison`."""

    def parsing(record: Any, *others: Any) -> Any:
        if b"poison" in record.value:
            raise PoisonError("a bug of the parser")
        return parse(record, *others)

    return parsing


def broken(*_: Any) -> Any:
    raise PoisonError("a bug for all")


def test_a_record_on_which_decoding_raises_is_rejected_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, log = make_flow(), [record(0), record(1, action="poison"), record(2)]
    monkeypatch.setattr(module, "decode_canonical_batch", broken)
    monkeypatch.setattr(module, "decode_canonical", fragile(module.decode_canonical))
    with numpy_only():  # else plain records are not decoded one by one
        decoded = flow.decode(log)
    ((kept, reason),) = decoded.rejected
    assert (kept.offset, reason.stage, reason.reason) == (1, "update.decode", "handling_failed")
    assert decoded.offsets.tolist() == [0, 2]
    monkeypatch.setattr(module, "decode_canonical", broken)
    with numpy_only(), pytest.raises(EverythingFailsError):
        flow.decode(log)


def test_a_record_on_which_an_adapter_raises_is_rejected_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, log = NativeAdapter(), [record(0), record(1, action="poison"), record(2)]
    monkeypatch.setattr(adapter, "parse", fragile(adapter.parse))
    monkeypatch.setattr(adapter, "parse_run", broken)
    results = [result for (result,) in parse_each(adapter, log, LIMITS)]
    assert [isinstance(result, Rejected) for result in results] == [False, True, False]
    assert isinstance(results[1], Rejected)
    assert (results[1].reason, results[1].stage) == ("handling_failed", "ingest.decode")
    monkeypatch.setattr(adapter, "parse", broken)
    with pytest.raises(EverythingFailsError):
        parse_each(adapter, log, LIMITS)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_adapters_example_is_an_event(name: str) -> None:
    made = adapter(name)
    (event,) = made.parse(Record(made.example, 0), LIMITS)
    assert isinstance(event, Event)


# --- encoding ---------------------------------------------------------------------------------------------


class Picky:
    """A hashing encoder that raises for texts with `poison`, and gives no numbers for those with `nan`."""

    id, revision, dim = "picky", "1", DIM

    def __init__(self) -> None:
        self.inner_encoder, self.calls, self.down = HashingEncoder(DIM), 0, False

    def encode(self, texts: Sequence[str]) -> Any:
        self.calls += 1
        if self.down or any("poison" in text for text in texts):
            raise PoisonError("not this text")
        vectors = self.inner_encoder.encode(texts)
        vectors[["nan" in text for text in texts]] = np.nan
        return vectors


@pytest.mark.parametrize("kind", ["poison", "nan"])
def test_one_text_that_cannot_be_encoded_costs_few_calls_and_no_neighbour(kind: str) -> None:
    encoder, texts = Picky(), [f"text {n}" for n in range(1000)]
    texts[617] = kind
    vectors, refused = encode_isolating(encoder, texts, "stage")
    assert list(refused) == [617]
    assert encoder.calls <= 2 * ceil(log2(len(texts))) + 1 + 2 * ATTEMPTS
    kept = [text for text in texts if text != kind]
    assert vectors.tobytes() == HashingEncoder(DIM).encode(kept).tobytes()


def test_an_encoder_that_takes_no_text_is_asked_twice_and_no_more() -> None:
    encoder = Picky()
    encoder.down = True
    with pytest.raises(EverythingFailsError, match="not this text"):
        encode_isolating(encoder, ["a", "b", "c", "d"], "stage")
    assert encoder.calls == 2


def test_a_cache_neither_answers_for_an_encoder_that_is_gone_nor_keeps_what_is_no_number() -> None:
    picky = Picky()
    encoder = CachedEncoder(picky)
    assert list(encode_isolating(encoder, ["a", "nan"], "stage")[1]) == [1]
    assert len(encoder) == 2 + ATTEMPTS  # `a`, and texts that are known to be good
    picky.down = True
    with pytest.raises(EverythingFailsError):
        encode_isolating(encoder, ["a", "b"], "stage")


def test_an_event_whose_text_cannot_be_encoded_is_isolated() -> None:
    texts = ["red hat", "poison", None, "nan", "blue hat"]
    log = [
        record(n, f"u{n}", None if text else "i1", action="search", text=text) for n, text in enumerate(texts)
    ]
    flow, plain = make_flow(), make_flow()
    decoded = flow.decode(log)
    vectors = Flow.encode(Picky(), decoded)
    assert decoded.texts() == ["red hat", "blue hat"]
    updated = flow.update(0, decoded, vectors)
    found = [(kept.offset, reason.stage, str(reason.reason)) for kept, reason in updated.isolated]
    assert found == [(1, "update.encode", "handling_failed"), (3, "update.encode", "not_finite")]
    apply(plain, [Record(b"{", r.offset) if r.offset in (1, 3) else r for r in log])
    assert everything(flow)[0] == everything(plain)[0]
    assert balanced(flow)
    # Read again, it is told again and booked no more.
    decoded = flow.decode(log)
    assert len(flow.update(0, decoded, Flow.encode(Picky(), decoded)).isolated) == 2
    assert balanced(flow)


def test_an_item_that_cannot_be_encoded_is_rejected_and_its_neighbours_are_known() -> None:
    flow, picky = make_flow(), Picky()
    catalog_updater = CatalogUpdater(flow.catalog, picky, LIMITS)
    items = [
        Record(orjson.dumps({"item_id": name, "title": name}), n, name.encode())
        for n, name in enumerate(("good", "poison", "better"))
    ]
    changes = catalog_updater.changes(items)
    vectors = catalog_updater.encode(changes, picky)
    assert [key for key, _ in catalog_updater.records(changes, vectors)] == [b"good", b"better"]
    ((kept, reason),) = changes.rejected
    assert (kept, reason.stage) == (items[1], "catalog.encode")
    # Sent again it is tried again, and what went well is not.
    assert [item.item_id for item, _ in catalog_updater.changes(items).items] == ["poison"]


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e30])
def test_an_embedding_that_is_no_vector_is_not_learnt(number: float) -> None:
    flow = make_flow(items=0)
    catalog_updater = CatalogUpdater(flow.catalog, HashingEncoder(DIM), LIMITS)
    item, vector = Item("i"), item_vector(0)
    vector[3] = number
    value = encode_embedding(item, vector, catalog_updater.space, fingerprint(item, catalog_updater.space))
    assert catalog_updater.learn([Message(value)]) == []
    assert not len(flow.catalog)


class Message:
    """What is read of a consumer's message."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def key(self) -> bytes:
        return b"i"

    def value(self) -> bytes:
        return self._value


# --- halving ----------------------------------------------------------------------------------------------


@given(count=st.integers(1, 300), data=st.data())
def test_halving_finds_exactly_the_poison_in_order_and_in_few_attempts(
    count: int, data: st.DataObject
) -> None:
    poison = data.draw(st.sets(st.integers(0, count - 1), max_size=min(4, count - 1)))
    attempts: list[range] = []

    def attempt(run: range) -> list[int]:
        attempts.append(run)
        if poison & set(run):
            raise PoisonError
        return list(run)

    done, failed = isolate(count, attempt, lambda: None)
    assert set(failed) == poison
    assert [index for run in done for index in run] == [n for n in range(count) if n not in poison]
    assert len(attempts) <= 1 + len(poison) * 2 * ceil(log2(count) + 1)


def test_what_is_well_when_the_halving_begins_and_gone_before_its_end_is_no_poison() -> None:
    probes = iter([True, False])

    def attempt(run: range) -> None:
        raise PoisonError

    def probe() -> None:
        if not next(probes):
            raise PoisonError

    with pytest.raises(EverythingFailsError):
        isolate(4, attempt, probe)
