"""TLS and SASL on a real broker: every client connects from the same settings, or none does."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError as AIOKafkaError
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.kafka import security
from streams.kafka.clients import client_config
from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings

WRONG, TOPIC = "guess", "secured"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PATIENCE_S, SHORT_S = 30.0, 0.3


def sasl_settings(secured: SimpleNamespace, mechanism: str = "SCRAM-SHA-256", **fields: Any) -> Settings:
    given = {
        "kafka_bootstrap_servers": secured.sasl,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": mechanism,
        "kafka_sasl_username": secured.user,
        "kafka_sasl_password": secured.password,
        "kafka_ssl_ca_file": secured.ca,
    }
    return Settings(**{**given, **fields})


def mutual_settings(secured: SimpleNamespace, **fields: Any) -> Settings:
    given = {
        "kafka_bootstrap_servers": secured.mutual,
        "kafka_security_protocol": "SSL",
        "kafka_ssl_ca_file": secured.ca,
        "kafka_ssl_cert_file": secured.certificate,
        "kafka_ssl_key_file": secured.key,
    }
    return Settings(**{**given, **fields})


def ask_librdkafka(make: Callable[[dict[str, Any]], Any], settings: Settings, patience_s: float) -> Any:
    """A client that has seen the topic; raises what librdkafka reported where it cannot connect."""
    errors: list[KafkaError] = []
    config = client_config(settings)
    client = make({**config, "log_level": 0, "error_cb": errors.append})
    try:
        assert TOPIC in client.list_topics(timeout=patience_s).topics
    except KafkaException:
        deadline = time.monotonic() + PATIENCE_S
        while not errors and time.monotonic() < deadline:
            client.poll(0.1)
        # A mere time-out would say nothing: there must be a reason.
        raise KafkaException(errors[0]) from None
    return client


def ask_admin(settings: Settings, patience_s: float) -> None:
    ask_librdkafka(AdminClient, settings, patience_s)


def ask_producer(settings: Settings, patience_s: float) -> None:
    producer = ask_librdkafka(Producer, settings, patience_s)
    delivered: list[Any] = []
    producer.produce(TOPIC, b"more", on_delivery=lambda error, _: delivered.append(error))
    assert producer.flush(patience_s) == 0
    assert delivered == [None]


def ask_consumer(settings: Settings, patience_s: float) -> None:
    consumer = ask_librdkafka(lambda config: Consumer({**config, "group.id": "test"}), settings, patience_s)
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    [record] = consumer.consume(1, patience_s)
    assert record.value() == b"known"
    consumer.close()


def ask_aiokafka(settings: Settings, _patience_s: float) -> None:
    asyncio.run(read_first(security.aiokafka_config(settings.kafka)))


def ask_faust(settings: Settings, _patience_s: float) -> None:
    """The arguments with which Faust's own transport makes its aiokafka consumer."""
    auth = credentials_to_aiokafka_auth(security.faust_broker_credentials(settings.kafka), None)
    asyncio.run(read_first({**auth, "bootstrap_servers": settings.kafka.bootstrap_servers}))


async def read_first(config: dict[str, Any]) -> None:
    consumer = AIOKafkaConsumer(TOPIC, **config, auto_offset_reset="earliest", request_timeout_ms=5000)
    try:
        await consumer.start()
        record = await asyncio.wait_for(consumer.getone(), PATIENCE_S)
        assert record.value == b"known"
    finally:
        await consumer.stop()


CLIENTS = [ask_admin, ask_producer, ask_consumer, ask_aiokafka, ask_faust]
Client = Callable[[Settings, float], None]
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)


def assert_refused(client: Client, settings: Settings) -> None:
    with warnings.catch_warnings():
        # aiokafka leaves the socket of a refused connection to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises((KafkaException, AIOKafkaError)):
            client(settings, SHORT_S)
        gc.collect()


@each_client
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_password_over_tls_connects(secured: SimpleNamespace, client: Client, mechanism: str) -> None:
    client(sasl_settings(secured, mechanism), PATIENCE_S)


@each_client
def test_client_certificate_connects(secured: SimpleNamespace, client: Client) -> None:
    client(mutual_settings(secured), PATIENCE_S)


@each_client
@pytest.mark.parametrize("mechanism", MECHANISMS[:2])
def test_wrong_password_is_refused(secured: SimpleNamespace, client: Client, mechanism: str) -> None:
    assert_refused(client, sasl_settings(secured, mechanism, kafka_sasl_password=WRONG))


@each_client
def test_missing_client_certificate_is_refused(secured: SimpleNamespace, client: Client) -> None:
    nothing = {"kafka_ssl_cert_file": None, "kafka_ssl_key_file": None}
    assert_refused(client, mutual_settings(secured, **nothing))


@each_client
def test_certificate_for_another_name_is_refused(secured: SimpleNamespace, client: Client) -> None:
    by_address = secured.sasl.replace("localhost", "127.0.0.1")
    assert_refused(client, sasl_settings(secured, kafka_bootstrap_servers=by_address))


@each_client
def test_unknown_ca_is_refused(secured: SimpleNamespace, client: Client, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    assert_refused(client, sasl_settings(secured, kafka_ssl_ca_file=tmp_path / "other.pem"))


@each_client
def test_tls_is_never_downgraded_on_a_plaintext_port(secured: SimpleNamespace, client: Client) -> None:
    assert_refused(client, sasl_settings(secured, kafka_bootstrap_servers=secured.plaintext))


@each_client
def test_first_bytes_on_the_wire_are_a_tls_handshake(secured: SimpleNamespace, client: Client) -> None:
    with listener() as (server, received):
        assert_refused(client, sasl_settings(secured, kafka_bootstrap_servers=server))
    # RFC 8446, 5.1: content type handshake (22), legacy record version 3.x. A connection that is given up before
    # anything is sent says nothing.
    assert {data[:2] for data in received if data} == {b"\x16\x03"}


@contextlib.contextmanager
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A TCP port that keeps what each connection sends first, and hangs up."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # closed at the end
                while True:
                    connection, _ = server.accept()
                    with connection:
                        received.append(connection.recv(2))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", received
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_topics_check_names_the_refused_password(secured: SimpleNamespace) -> None:
    assert topics.check(sasl_settings(secured))
    with pytest.raises(topics.TopicError, match="INTERESTFLOW_KAFKA_SASL_PASSWORD"):
        topics.check(sasl_settings(secured, kafka_sasl_password=WRONG))
