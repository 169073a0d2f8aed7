"""What every destination promises; runs over each entry of SINKS, and over a log that is routed to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import typer

from sinks.base import Destination, DestinationError, Row, SinkError, TopicRecords
from sinks.kafka_tables import KafkaDestination
from sinks.memory import MemoryDestination, MemoryLog
from sinks.routed import RoutedLog, when_all
from streams.commands.common import or_exit
from streams.settings.registries import SINKS
from streams.settings.settings import Settings
from streams.wiring.destinations import ORDER, route, version_of

# A table as its readers see it.
Table = dict[bytes, bytes]


def row(key: str, *version: int) -> Row:
    """A row whose value holds its version, as our outputs do."""
    padded = (*version, 0, 0, 0, 0, 0)[: len(ORDER)]
    return Row(key.encode(), padded, orjson.dumps(dict(zip(ORDER, padded, strict=True))))


# --- how each is set up and read; a new destination is added here ----------------------------------------------


class Reader(NamedTuple):
    """How the suite sees one destination."""

    # (destination, the log beside it, table) -> the table as its readers see it.
    read: Callable[[Any, MemoryLog, str], Table]
    # Its settings, for an empty folder of the test's own.
    settings: Callable[[Path], Settings] = lambda folder: Settings()


def read_memory(destination: Any, log: MemoryLog, table: str) -> Table:
    assert isinstance(destination, MemoryDestination)
    return {key: found.value for key, found in destination.tables[table].items()}


def read_kafka(destination: Any, log: MemoryLog, table: str) -> Table:
    """As a subscriber reads a topic: of each key the value with the greatest version."""
    assert isinstance(destination, KafkaDestination)
    newest: Table = {}
    for key, value, _ in log.records[table]:
        assert key is not None
        assert value is not None
        if key not in newest or version_of(value) >= version_of(newest[key]):
            newest[key] = value
    return newest


READERS = {"memory": Reader(read_memory), "kafka": Reader(read_kafka)}


class Rig:
    """A destination, the log beside it, and what readers see."""

    def __init__(self, name: str, folder: Path) -> None:
        self.reader, self.log = READERS[name], MemoryLog()
        self.destination: Destination = SINKS.build(name, self.reader.settings(folder), self.log)

    def read(self, table: str) -> Table:
        return self.reader.read(self.destination, self.log, table)


@pytest.fixture(params=sorted(READERS))
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(request.param, tmp_path)
    yield made
    assert made.destination.close(5) == 0


def test_every_destination_is_under_contract() -> None:
    assert READERS.keys() == set(SINKS)


def test_a_table_holds_the_last_row_of_each_key(rig: Rig) -> None:
    rig.destination.upsert("t", [row("a", 1), row("b", 1), row("a", 2)]).result(timeout=30)
    rig.destination.upsert("t", [row("b", 3)]).result(timeout=30)
    assert rig.read("t") == {b"a": row("a", 2).value, b"b": row("b", 3).value}


def test_tables_are_apart(rig: Rig) -> None:
    rig.destination.upsert("t", [row("a", 1)]).result(timeout=30)
    rig.destination.upsert("u", [row("a", 2)]).result(timeout=30)
    assert (rig.read("t"), rig.read("u")) == ({b"a": row("a", 1).value}, {b"a": row("a", 2).value})


def test_versions_count_and_not_the_order_in_which_rows_come(rig: Rig) -> None:
    rows = [row(key, 1, count, offset) for key in "abc" for count in range(3) for offset in (9, 10, 100)]
    random.Random(0).shuffle(rows)
    for one in rows:
        rig.destination.upsert("t", [one]).result(timeout=30)
    assert rig.read("t") == {key.encode(): row(key, 1, 2, 100).value for key in "abc"}


def test_rows_may_come_twice(rig: Rig) -> None:
    rows = [row("a", 1), row("a", 2), row("b", 1)]
    rig.destination.upsert("t", rows).result(timeout=30)
    rig.destination.upsert("t", rows).result(timeout=30)
    assert rig.read("t") == {b"a": row("a", 2).value, b"b": row("b", 1).value}


def test_no_row_is_done_too(rig: Rig) -> None:
    rig.destination.upsert("t", []).result(timeout=30)
    assert rig.read("t") == {}


def test_a_wrong_setting_of_a_destination_reaches_the_user_as_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(settings: Settings, log: MemoryLog) -> Destination:
        raise DestinationError("LINES_FOLDER is not set: name a folder that exists")

    monkeypatch.setattr("sinks.memory.from_settings", refuse)
    with pytest.raises(typer.Exit) as ended:
        or_exit(lambda: void(route(Settings(destinations=("kafka", "memory")), MemoryLog())))
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "interestflow: LINES_FOLDER is not set: name a folder that exists\n"


def void(made: object) -> None:
    """Nothing, whatever was made."""


# --- a log that is routed -----------------------------------------------------------------------------------------


class Slow:
    """A destination that answers when it is told to."""

    def __init__(self) -> None:
        self.answers: list[Future[Any]] = []
        self.closed = -1.0

    def upsert(self, table: str, rows: Any) -> Future[Any]:
        self.answers.append(Future())
        return self.answers[-1]

    def close(self, deadline_s: float) -> int:
        self.closed = deadline_s
        return 3


def test_outputs_go_to_every_destination_and_the_rest_to_the_log() -> None:
    settings, log = Settings(destinations=("kafka", "memory")), MemoryLog()
    routed = route(settings, log)
    assert isinstance(routed, RoutedLog)
    state, vector, pick = [(b"u", b"state")], row("u", 1, 5), row("u", 1, 4)
    delivered = routed.publish(
        [
            TopicRecords(settings.topics.vectors, [(vector.key, vector.value)]),
            TopicRecords(settings.topics.state, state, 0),
            TopicRecords(settings.topics.recommendations, [(pick.key, pick.value)]),
            TopicRecords("empty", []),
        ]
    )
    assert list(delivered.result(timeout=5)) == [-1, 0, -1, -1]
    assert list(log.latest(settings.topics.state).items()) == state
    assert log.latest(settings.topics.vectors) == {vector.key: vector.value}
    memory = routed._destinations[1]
    assert isinstance(memory, MemoryDestination)
    assert memory.tables == {
        settings.topics.vectors: {b"u": vector},
        settings.topics.recommendations: {b"u": pick},
    }


def test_where_kafka_is_the_only_destination_the_log_stays_as_it_is() -> None:
    log = MemoryLog()
    assert route(Settings(), log) is log


def test_nothing_is_delivered_before_every_destination_has_it() -> None:
    slow, log = Slow(), MemoryLog()
    routed = RoutedLog(log, [slow, KafkaDestination(log)], ["t"], version_of)
    record = [(row("a", 1).key, row("a", 1).value)]
    delivered = routed.publish([TopicRecords("state", [(b"k", b"v")], 0), TopicRecords("t", record)])
    assert not delivered.done()
    slow.answers[0].set_result(None)
    assert list(delivered.result(timeout=5)) == [0, -1]
    assert routed.publish([TopicRecords("t", [])]).done()
    assert len(slow.answers) == 1


def test_a_destination_that_fails_fails_the_delivery() -> None:
    slow, log = Slow(), MemoryLog()
    routed = RoutedLog(log, [slow], ["t"], version_of)
    delivered = routed.publish([TopicRecords("t", [(row("a", 1).key, row("a", 1).value)])])
    slow.answers[0].set_exception(SinkError("the database is away"))
    with pytest.raises(SinkError, match="the database is away"):
        delivered.result(timeout=5)


def test_closing_closes_all_and_counts_what_is_left() -> None:
    slow = Slow()
    assert RoutedLog(MemoryLog(), [slow, MemoryDestination()], ["t"], version_of).close(5) == 3
    assert 0 < slow.closed <= 5


def test_the_first_error_is_told_once_whatever_comes_behind_it() -> None:
    futures: list[Future[Any]] = [Future() for _ in range(4)]
    joined = when_all(futures, lambda: "done")
    futures[0].set_result(None)
    futures[1].set_exception(SinkError("first"))
    futures[2].set_exception(SinkError("second"))
    futures[3].set_result(None)
    with pytest.raises(SinkError, match="first"):
        joined.result(timeout=5)
