"""The runner and its stages around poison, bugs and an encoder that is away: what is published and acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import orjson
import pytest

from encoders.text.hashing import HashingEncoder
from sinks.base import TopicRecords
from sinks.memory import MemoryLog
from streams.events.adapters import adapter
from streams.events.isolation import EverythingFailsError
from streams.ops.backoff import Backoff, GaveUpError
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics
from streams.settings.settings import Settings
from tests.streams.flows import DIM, Record, make_flow, record
from tests.streams.parts import BatchEvent, make_parts, run

RAW = "behavior.raw.v1"
SETTINGS = Settings(dimensions=DIM, encoder="hashing")


class Encoder:
    """A hashing encoder that fails so many times, and always for the text `poison`."""

    id, revision, dim = "hashing", "test", DIM

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    def encode(self, texts: Sequence[str]) -> Any:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("out of memory on the device")
        if "poison" in texts:
            raise ValueError("not this text")
        return HashingEncoder(DIM).encode(texts)


class Rig:
    """Stages that publish into memory; `ended` is what they ended the process with."""

    def __init__(self, encoder: Encoder | None = None, wait: Callable[[float], bool] | None = None) -> None:
        self.sink, self.metrics, self.health = MemoryLog(), Metrics(), Health()
        self.ended: list[BaseException] = []
        self.flow = make_flow(default_action_weight=1.0)
        self.now = 0.0
        backoff = Backoff(self.metrics, self.health, 60.0, clock=lambda: self.now, wait=wait or self._wait)
        adapters = {RAW: adapter("native")}
        self.parts = make_parts(
            SETTINGS,
            self.flow,
            encoder or Encoder(),
            self.ended.append,
            sink=self.sink,
            metrics=self.metrics,
            backoff=backoff,
            adapters=adapters,
        )

    def _wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    async def run(
        self, stage: str, records: Sequence[Record], topic: str = "behavior.events.v1"
    ) -> BatchEvent:
        """One batch, to its acknowledgement."""
        return await run(self.parts, getattr(self.parts, stage), BatchEvent(records, topic))

    def rejected(self) -> list[dict[str, bytes]]:
        """Headers of the rejected records."""
        return [dict(headers) for _, _, headers in self.sink.records[SETTINGS.topics.rejected]]

    def count(self, stage: str, reason: str) -> float | None:
        """The metric."""
        labels = {"stage": stage, "reason": reason}
        return self.metrics.registry.get_sample_value("interestflow_rejected_total", labels)


def poison_fold(rig: Rig) -> None:
    weigh = rig.flow.event_weights.weigh

    def raising(events: Any, *arguments: Any) -> Any:
        if any(event.action == "poison" for event in events):
            raise ZeroDivisionError("a bug")
        return weigh(events, *arguments)

    rig.flow.event_weights.weigh = raising  # type: ignore[method-assign]


async def test_poison_of_every_kind_is_rejected_booked_and_acknowledged_with_its_batch() -> None:
    rig = Rig()
    poison_fold(rig)
    log = [
        record(0, "a"),
        record(1, "b", action="poison"),
        record(2, "c", None, action="search", text="poison"),
        record(3, "d", None, action="search", text="red hat"),
    ]
    event = await rig.run("update", log)
    assert event.acked
    assert rig.ended == []
    assert {key for key, *_ in rig.sink.records[SETTINGS.topics.vectors]} == {b"a", b"d"}
    told = {(h["__connect.errors.offset"], h["__connect.errors.stage"]) for h in rig.rejected()}
    assert told == {(b"1", b"update.fold"), (b"2", b"update.encode")}
    assert {h["__connect.errors.exception.class.name"] for h in rig.rejected()} == {
        b"builtins.ZeroDivisionError",
        b"builtins.ValueError",
    }
    assert rig.count("update", "handling_failed") == 2
    assert rig.flow.partitions[0].books == {
        "read": 4,
        "applied": 2,
        "rejected.handling_failed": 2,
        "neutral": 0,
        "late": 0,
    }


async def test_isolated_records_are_on_the_broker_before_the_state_that_goes_beyond_them() -> None:
    rig, order = Rig(), []
    poison_fold(rig)
    publish = rig.sink.publish

    def slowly(groups: Sequence[TopicRecords]) -> Future[None]:
        order.append({group.topic for group in groups if group.records})
        return publish(groups)

    rig.sink.publish = slowly  # type: ignore[method-assign]
    await rig.run("update", [record(0), record(1, action="poison")])
    assert order[0] == {SETTINGS.topics.rejected}
    assert SETTINGS.topics.state in order[1]


async def test_poison_at_ingest_and_in_the_catalog_takes_no_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    parse = rig.parts.ingest.adapters[RAW].parse

    def fragile(given: Any, limits: Any) -> Any:
        if b"poison" in given.value:
            raise KeyError("a bug of the parser")
        return parse(given, limits)

    monkeypatch.setattr(rig.parts.ingest.adapters[RAW], "parse", fragile)
    monkeypatch.setattr(rig.parts.ingest.adapters[RAW], "parse_run", lambda *_: None)
    raw = [record(0), record(1, action="poison"), record(2)]
    assert (await rig.run("ingest", raw, RAW)).acked
    assert len(rig.sink.records[SETTINGS.topics.events]) == 2
    titles = ["red", "poison", "blue"]
    items = [Record(orjson.dumps({"item_id": t, "title": t}), n, t.encode()) for n, t in enumerate(titles)]
    assert (await rig.run("catalog", items, SETTINGS.topics.items)).acked
    assert {key for key, *_ in rig.sink.records[SETTINGS.topics.embeddings]} == {b"red", b"blue"}
    assert [h["__connect.errors.stage"] for h in rig.rejected()] == [b"ingest.decode", b"catalog.encode"]
    assert (rig.count("ingest", "handling_failed"), rig.count("catalog", "handling_failed")) == (1, 1)


async def test_a_bug_ends_the_process_with_nothing_published_or_acknowledged() -> None:
    rig = Rig()

    def broken(*_: Any) -> int:
        raise TypeError("a bug")

    rig.flow.model.update = broken  # type: ignore[method-assign]
    event = BatchEvent([record(n) for n in range(3)])
    with pytest.raises(EverythingFailsError):
        await rig.parts.runner.run(rig.parts.update, event)
    assert isinstance(rig.ended[0], EverythingFailsError)
    assert not event.acked
    assert not any(rig.sink.records.values())


SEARCHES = [record(n, f"u{n}", None, action="search", text=f"hat {n}") for n in range(3)]


async def test_an_encoder_that_comes_back_loses_nothing_and_rejects_nothing() -> None:
    rig = Rig(Encoder(failures=7))
    event = await rig.run("update", SEARCHES)
    assert event.acked
    assert (rig.ended, rig.rejected()) == ([], [])
    retries = rig.metrics.registry.get_sample_value("interestflow_retries_total", {"stage": "encode"})
    # Each time the batch and a text that is known to be good; the seventh call fails, the eighth goes well.
    assert retries == 3
    assert rig.flow.partitions[0].books["applied"] == 3


async def test_an_encoder_that_does_not_come_back_ends_the_process_with_a_sentence() -> None:
    rig = Rig(Encoder(failures=10_000))
    event = BatchEvent(SEARCHES)
    with pytest.raises(GaveUpError, match="out of memory on the device"):
        await rig.parts.runner.run(rig.parts.update, event)
    assert isinstance(rig.ended[0], GaveUpError)
    assert not event.acked
    assert not any(rig.sink.records.values())


async def test_who_is_stopped_while_the_encoder_is_away_gives_the_batch_back() -> None:
    rig = Rig(Encoder(failures=10_000), wait=lambda _: True)
    event = BatchEvent(SEARCHES)
    await rig.parts.runner.run(rig.parts.update, event)
    assert rig.ended == []
    assert (event.acked, event.value.started, rig.parts.runner.busy) == (False, False, False)
    assert not any(rig.sink.records.values())


async def test_what_became_of_the_catalogs_records_is_counted() -> None:
    rig = Rig()
    values = [("a", b'{"item_id":"a","title":"x"}'), ("nobody", None), ("bad", b"{")]
    items = [Record(value, n, key.encode()) for n, (key, value) in enumerate(values)]
    assert (await rig.run("catalog", items, SETTINGS.topics.items)).acked
    sample = rig.metrics.registry.get_sample_value
    names = ("encoded", "removed", "removed_unknown", "refused", "unchanged", "replaced")
    counted = [sample("interestflow_items_total", {"outcome": name}) for name in names]
    assert counted == [1, 0, 1, 1, 0, 0]
    published = {key: headers for key, _, headers, *_ in rig.sink.records[SETTINGS.topics.embeddings]}
    assert {key: list(own) for key, own in published.items()} == {
        b"a": [], b"nobody": [("interestflow.unknown", b"")],
    }  # fmt: skip
