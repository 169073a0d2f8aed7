"""A library that says the same many times a second is heard once in a while."""

from __future__ import annotations

import logging

import pytest

from sinks.base import SinkError
from streams.ops.log_lines import QUIET_S, Connections, Seldom, with_log, without_log
from streams.state.store import StateError


def line(name: str, message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, message, arguments, None)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_same_but_for_numbers_is_said_once_and_counted_later() -> None:
    clock = Clock()
    seldom = Seldom(10.0, clock)
    heard = []
    for second in range(25):
        clock.now = float(second)
        record = line("aiokafka.conn", "node %s refused after %d ms", "1", second)
        if seldom.filter(record):
            heard.append((second, record.getMessage()))
    assert heard == [
        (0, "node 1 refused after 0 ms"),
        (10, "node 1 refused after 10 ms (9 more like it)"),
        (20, "node 1 refused after 20 ms (9 more like it)"),
    ]


def test_another_line_does_not_end_the_silence_of_one() -> None:
    clock = Clock()
    seldom = Seldom(10.0, clock)
    heard = []
    for second, message in ((0, "one"), (1, "another"), (2, "one"), (10, "one"), (10, "another")):
        clock.now = float(second)
        record = line("librdkafka", message)
        if seldom.filter(record):
            heard.append((second, record.getMessage()))
    assert heard == [(0, "one"), (1, "another"), (10, "one (1 more like it)")]


def test_what_is_new_or_ours_is_said_at_once() -> None:
    seldom = Seldom(10.0, Clock())
    assert seldom.filter(line("librdkafka", "one"))
    assert seldom.filter(line("librdkafka", "another"))
    assert all(seldom.filter(line("streams.worker.worker", "the same")) for _ in range(3))


@pytest.mark.parametrize("config", [{"bootstrap.servers": "a:1"}, with_log({"bootstrap.servers": "a:1"})])
def test_a_client_that_nobody_polls_writes_nothing(config: dict[str, object]) -> None:
    assert without_log(config) == {"bootstrap.servers": "a:1", "log_level": 0}


def test_a_failover_is_told_of_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    connections = Connections(clock)
    heard = []
    for second, name, message in (
        (0, "librdkafka", "FAIL [rdkafka#producer-1] [thrd:a:1/1]: a:1/1: Connect to a:1 failed: refused"),
        (1, "librdkafka", "FAIL [rdkafka#consumer-2] [thrd:a:1/1]: a:1/1: Disconnected"),
        (2, "aiokafka.consumer.group_coordinator", "Heartbeat failed for group g: coordinator is not valid"),
        (3, "librdkafka", "FAIL [rdkafka#producer-1] [thrd:a:1/1]: a:1/1: Connect to a:1 failed: refused"),
    ):
        clock.now = float(second)
        record = line(name, message)
        if connections.filter(record):
            heard.append(record.getMessage())
        connections.settle()
    assert heard == [
        "a connection to Kafka fails, and the clients try again: a:1/1: Connect to a:1 failed: refused"
    ]
    assert caplog.messages == []
    clock.now = 3.0 + QUIET_S
    connections.settle()
    connections.settle()
    assert caplog.messages == ["the connections to Kafka stand again; they failed for 3.0 s"]


def test_other_lines_of_the_clients_lose_their_prefix_and_ours_stay() -> None:
    connections = Connections(Clock())
    theirs = line("librdkafka", "OFFSET [rdkafka#consumer-2] [thrd:main]: t [0]: offset reset")
    ours = line("streams.worker.worker", "FAIL is our word")
    assert connections.filter(theirs)
    assert theirs.getMessage() == "t [0]: offset reset"
    assert connections.filter(ours)
    assert ours.getMessage() == "FAIL is our word"


def test_a_rebalance_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    connections = Connections(clock)
    name = "aiokafka.consumer.group_coordinator"
    assert not connections.filter(line(name, "Heartbeat failed for group %s because it is rebalancing", "g"))
    clock.now = QUIET_S
    connections.settle()
    assert caplog.messages == []
    assert connections.filter(line(name, "Heartbeat failed for group g: coordinator is not valid"))


def crashed(name: str, error: Exception) -> logging.LogRecord:
    """As Faust logs the crash of one of its services."""
    about = (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.ERROR, "", 0, "[^--Recovery]: Crashed reason=%r", (error,), about)


def test_an_error_that_ends_the_worker_with_its_sentence_is_not_told_of_by_faust() -> None:
    seldom = Seldom(10.0, Clock())
    for error in (StateError("recreated"), SinkError("refused")):
        assert not seldom.filter(crashed("faust.tables.recovery", error))
    assert seldom.filter(crashed("faust.tables.recovery", KeyError("a bug")))
    assert seldom.filter(crashed("streams.ops.process", StateError("ours")))


def test_the_end_of_the_producer_is_told_of_by_the_worker_alone() -> None:
    seldom, connections = Seldom(10.0, Clock()), Connections(Clock())
    said = "Fatal error: Local: Gap-less ordering would not be guaranteed if proceeding: ProduceRequest for t [0]"
    record = line("librdkafka", f"FATAL [rdkafka#producer-1] [thrd:a:1/1]: {said} failed: Broker: denied")
    assert connections.filter(record)
    assert not seldom.filter(record)
    assert seldom.filter(line("librdkafka", "Fatal error: Broker: Static consumer fenced by another"))
