"""A library that says the same many times a second is heard once in a while."""

from __future__ import annotations

import logging

import pytest

from streams.log_lines import Seldom, told, untold


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


def test_what_is_new_or_ours_is_said_at_once() -> None:
    seldom = Seldom(10.0, Clock())
    assert seldom.filter(line("librdkafka", "one"))
    assert seldom.filter(line("librdkafka", "another"))
    assert all(seldom.filter(line("streams.worker", "the same")) for _ in range(3))


@pytest.mark.parametrize("config", [{"bootstrap.servers": "a:1"}, told({"bootstrap.servers": "a:1"})])
def test_a_client_that_nobody_polls_writes_nothing(config: dict[str, object]) -> None:
    assert untold(config) == {"bootstrap.servers": "a:1", "log_level": 0}
