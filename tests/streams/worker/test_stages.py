"""Stages by themselves: they turn a batch into outputs, or into what must be encoded first; nothing is published."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import orjson

from encoders.text.hashing import HashingEncoder
from sinks.base import TopicRecords
from sinks.memory import MemoryLog
from streams.events.adapters import adapter
from streams.kafka.member.batches import RecordBatch
from streams.settings.settings import Settings
from streams.state.changelog import PROGRESS_KEY
from streams.wiring.worker import Parts
from streams.worker.stages.outputs import Outputs, Pending
from streams.worker.stages.recommend import CHUNK, Recommend
from tests.streams.flows import DIM, Record, item_vector, make_flow, record
from tests.streams.parts import BatchEvent, make_parts, run

SETTINGS = Settings(dimensions=DIM, encoder="hashing")
ENCODER = HashingEncoder(DIM)
RAW = "clicks"


def ended(error: BaseException) -> None:
    raise error


def parts(**options: Any) -> Parts:
    flow = make_flow(default_action_weight=1.0, **options)
    return make_parts(SETTINGS, flow, ENCODER, ended, sink=MemoryLog(), adapters={RAW: adapter("native")})


def batch(*records: Record, topic: str = SETTINGS.topics.canonical) -> RecordBatch:
    return RecordBatch(topic, 0, records)


def test_events_of_known_items_are_folded_at_once() -> None:
    made = parts().update.start(batch(record(0, "a"), record(1, "b")))
    assert isinstance(made, Outputs)
    assert made.change is not None
    assert [key for key, _ in made.change.updated.vectors] == [b"a", b"b"]
    assert (made.change.resume, made.outcomes["applied"]) == (1, 2)


def test_texts_are_encoded_first_and_nothing_is_folded_before() -> None:
    update = parts().update
    made = update.start(batch(record(0, "a", None, action="search", text="red hat")))
    assert isinstance(made, Pending)
    assert not update.flow.partitions[0].books
    vectors = made.encode()
    assert vectors.tobytes() == ENCODER.encode(["red hat"]).tobytes()
    done = made.resume(vectors)
    assert isinstance(done, Outputs)
    assert done.outcomes["applied"] == 1


def test_events_that_waited_are_applied_unless_their_state_has_gone() -> None:
    for gone in (False, True):
        update = parts().update
        update.start(batch(record(0, "a", item="new")))
        update.flow.catalog.put("new", item_vector(50))
        ((partition, decoded),) = update.flow.ready_events().items()
        if gone:
            update.flow.partitions.clear()
        made = update.apply(partition, decoded)
        assert isinstance(made, Outputs)
        assert (made.change is None) is gone


def test_records_become_canonical_events_or_are_rejected() -> None:
    good = record(0)
    made = parts().ingest.start(batch(good, Record(b"{", 1, topic=RAW), topic=RAW))
    (canonical,) = made.groups
    assert (canonical.topic, len(canonical.records)) == (SETTINGS.topics.events, 1)
    assert [rejected.reason for _, rejected in made.rejected] == ["not_json"]
    assert (made.source, made.outcomes) == (RAW, {"event": 1, "rejected": 1})


def test_an_event_that_the_canonical_topic_does_not_take_is_rejected() -> None:
    whole = parts()
    whole.ingest._room = lambda: 10
    made = whole.ingest.start(batch(record(0), topic=RAW))
    assert (len(made.groups[0].records), made.outcomes) == (0, {"event": 0, "rejected": 1})


def test_items_are_encoded_once_and_a_removal_needs_no_encoder() -> None:
    catalog, topic = parts().catalog, SETTINGS.topics.items
    red = Record(orjson.dumps({"item_id": "red", "title": "red hat"}), 0, b"red")
    made = catalog.start(batch(red, topic=topic))
    assert isinstance(made, Pending)
    done = made.resume(made.encode())
    assert isinstance(done, Outputs)
    assert (done.groups[0].topic, len(done.groups[0].records)) == (SETTINGS.topics.embeddings, 1)
    again = catalog.start(batch(red, topic=topic))
    assert isinstance(again, Outputs)
    assert again.outcomes["unchanged"] == 1
    assert isinstance(catalog.start(batch(Record(None, 1, b"red"), topic=topic)), Outputs)


def recommending(users: int, interval_s: float = 10.0) -> tuple[Recommend, list[float]]:
    """The stage, with so many users who are due, and its clock."""
    whole, now = parts(), [100.0]
    made = whole.update.start(batch(*(record(n, f"u{n}") for n in range(users))))
    assert isinstance(made, Outputs)
    # Its progress record says that they are due.
    whole.runner.publisher.publish("update", made)
    stage = Recommend(whole.update.flow, "recommendations", interval_s, lambda: now[0], lambda: 1_000_000)
    return stage, now


def test_due_users_are_recommended_to_some_at_a_time_until_nobody_is_due() -> None:
    stage, _ = recommending(CHUNK + 1)
    assert not stage.idle
    rows, outputs = stage.start(0)
    assert len(rows) == len(outputs.groups[0].records) == CHUNK
    assert stage.finish(0, rows) is None
    rows, _ = stage.start(0)
    assert len(rows) == 1
    assert not stage.idle
    told = stage.finish(0, rows)
    assert told is not None
    assert told.change is not None
    assert (told.change.updated.state, stage.idle) == ([], True)


def test_a_user_is_recommended_to_once_in_an_interval() -> None:
    stage, now = recommending(1)
    rows, _ = stage.start(0)
    stage.finish(0, rows)
    stage.flow.update(0, stage.flow.decode([record(7, "u0")]), ENCODER.encode([]))
    assert stage.start(0) == ([], Outputs())
    now[0] += 10.0
    assert stage.start(0)[0] == rows


def test_of_a_partition_that_is_anothers_by_now_nothing_is_made() -> None:
    stage, _ = recommending(1)
    rows, _ = stage.start(0)
    stage.flow.partitions.clear()
    assert stage.start(0) == ([], Outputs())
    assert stage.finish(0, rows) is None


async def test_a_state_changes_and_is_published_in_one_call_on_the_model_thread() -> None:
    """Two changes of a partition must not be published in another order than they were made."""
    whole, order = parts(), list[tuple[str, str]]()
    fold, publish = whole.update.fold, whole.runner.publisher.sink.publish

    def folding(*arguments: Any) -> Any:
        order.append(("fold", threading.current_thread().name))
        return fold(*arguments)

    def publishing(groups: Any) -> Any:
        state = [g for g in groups if isinstance(g, TopicRecords) and g.topic == SETTINGS.topics.state]
        if state:
            assert state[0].records[-1][0] == PROGRESS_KEY
            order.append(("publish", threading.current_thread().name))
        return publish(groups)

    whole.update.fold = folding  # type: ignore[method-assign]
    whole.runner.publisher.sink.publish = publishing  # type: ignore[method-assign]
    events = [BatchEvent([record(n, f"u{n}", None, action="search", text=f"hat {n}")]) for n in range(4)]
    await asyncio.gather(*(run(whole, whole.update, event) for event in events))
    assert all(event.acked for event in events)
    assert [what for what, _ in order] == ["fold", "publish"] * 4
    assert len({thread for _, thread in order}) == 1
