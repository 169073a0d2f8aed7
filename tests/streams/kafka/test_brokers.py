"""Questions to brokers of which one has gone."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.kafka.brokers import Brokers
from streams.ops.backoff import Backoff, GaveUpError
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics

NOBODY = {"bootstrap.servers": "127.0.0.1:1"}


class Loyal:
    """A client that waits for the controller that it knows, until it has asked who is there."""

    def __init__(self, code: int) -> None:
        self.code, self.told = code, False

    def list_topics(self, timeout: float) -> None:
        self.told = True
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # it may fail as well

    def ask(self) -> str:
        """As `describe_topics`."""
        if not self.told:
            raise KafkaException(KafkaError(self.code))
        return "an answer"


def asking(client: Loyal) -> Brokers:
    """Brokers that are asked through this client, thrice."""
    now = iter(range(1000))
    backoff = Backoff(Metrics(), Health(), 3.0, clock=lambda: float(next(now)), wait=lambda _s: False)
    brokers = Brokers(NOBODY, backoff)
    brokers.admin = client
    return brokers


async def test_another_controller_is_asked_where_the_last_has_gone() -> None:
    client = Loyal(KafkaError._TIMED_OUT)
    assert await asking(client).ask(client.ask) == "an answer"


async def test_what_no_other_broker_mends_is_told_as_it_is() -> None:
    client = Loyal(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        await asking(client).ask(client.ask)
    assert not client.told


async def test_brokers_that_stay_away_are_given_up() -> None:
    client = Loyal(KafkaError._TIMED_OUT)

    def ask() -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    with pytest.raises(GaveUpError, match=r"S\): start the brokers, or .*SERVERS or .*SECURITY_PROTOCOL$"):
        await asking(client).ask(ask)
