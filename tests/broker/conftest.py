"""A real Apache Kafka for every test below this folder, and short ways to make, fill and read topics."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from streams.kafka.reading import read_all
from streams.kafka.topics import specifications as topics
from streams.local_kafka import local_kafka
from streams.settings.settings import Settings
from streams.settings.source_topics import Source

FOLDER = Path(__file__).parent
TIMEOUT_S = 30.0
# With what SCRAM and properties files treat apart.
USER, PASSWORD = "alice", 'open,=sesame"1'
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

MakeTopic = Callable[..., str]
Produce = Callable[..., None]
ReadTopic = Callable[[str], list[Message]]
MakeSettings = Callable[..., Settings]


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is marked `broker`."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.broker)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a running Kafka: the one you named, else a local one for this session."""
    given = os.environ.get("INTERESTFLOW_TEST_BOOTSTRAP_SERVERS")
    if given:
        AdminClient({"bootstrap.servers": given}).list_topics(timeout=TIMEOUT_S)
        yield given
        return
    with local_kafka.running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def topic_prefix() -> str:
    """Start of every topic name of one test, so that tests share a broker without meeting."""
    return f"test-{uuid.uuid4().hex[:12]}."


@pytest.fixture(scope="session")
def admin(kafka: str) -> AdminClient:
    """Admin client of the session's Kafka."""
    return AdminClient({"bootstrap.servers": kafka})


def await_topic(admin: AdminClient, topic: str) -> None:
    """Brokers learn of a new topic a moment after it was made."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        found = admin.list_topics(timeout=TIMEOUT_S).topics.get(topic)
        if found is not None and found.partitions and all(p.leader >= 0 for p in found.partitions.values()):
            return
        time.sleep(0.02)
    raise TimeoutError(f"{topic} has no leaders after {TIMEOUT_S:g} s")


@pytest.fixture
def make_topic(admin: AdminClient, topic_prefix: str) -> MakeTopic:
    """make_topic(name, partitions=1, **config) -> full name; `__` in a config name stands for a dot."""

    def make(name: str, partitions: int = 1, **config: str) -> str:
        full = topic_prefix + name
        dotted = {key.replace("__", "."): value for key, value in config.items()}
        admin.create_topics([NewTopic(full, partitions, 1, config=dotted)])[full].result(TIMEOUT_S)
        await_topic(admin, full)
        return full

    return make


@pytest.fixture
def produce(kafka: str) -> Produce:
    """produce(topic, records, **config): returns once all are delivered.

    A record is (key, value), (key, value, headers) or a dict of keyword arguments of `Producer.produce`;
    config is librdkafka's, with `__` for a dot.
    """

    def write(topic: str, records: Iterable[Any], **config: Any) -> None:
        failed: list[KafkaError] = []
        dotted = {key.replace("__", "."): value for key, value in config.items()}
        # Idempotent, so that records keep their order where a new topic refuses the first ones.
        own = {"bootstrap.servers": kafka, "partitioner": "murmur2_random", "enable.idempotence": True}
        producer = Producer({**own, **dotted})
        for record in records:
            fields = (
                record
                if isinstance(record, dict)
                else dict(zip(("key", "value", "headers"), record, strict=False))
            )
            producer.produce(topic, **fields, on_delivery=lambda error, _: error and failed.append(error))
            producer.poll(0)
        left = producer.flush(TIMEOUT_S)
        if failed or left:
            raise KafkaException(failed[0] if failed else KafkaError(KafkaError._MSG_TIMED_OUT))

    return write


@pytest.fixture
def read_topic(kafka: str) -> ReadTopic:
    """read_topic(topic) -> all its records up to the end now, in offset order per partition."""

    def read(topic: str) -> list[Message]:
        return [message for chunk in read_all({"bootstrap.servers": kafka}, topic) for message in chunk]

    return read


@pytest.fixture
def make_settings(kafka: str, topic_prefix: str) -> MakeSettings:
    """make_settings(**fields) -> settings for this Kafka whose topics and group are the test's own."""

    def make(**fields: Any) -> Settings:
        own: dict[str, Any] = {
            "kafka_bootstrap_servers": kafka,
            "app": topic_prefix + "app",
            "sources": (Source(topic=topic_prefix + "behavior.raw.v1"),),
            "metrics_port": 0,
        }
        return Settings(**{**topics.prefixed(topic_prefix), **own, **fields})

    return make


def write_identity(folder: Path, ca: trustme.CA) -> tuple[Path, Path, Path]:
    """CA, client certificate with key, and the broker's PEM key store, for `localhost` alone."""
    broker, client = ca.issue_cert("localhost"), ca.issue_cert("client@example.org")
    private = load_pem_private_key(broker.private_key_pem.bytes(), None)
    store = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    store += b"".join(part.bytes() for part in broker.cert_chain_pems)
    (folder / "broker.pem").write_bytes(store)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    client.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    return folder / "ca.pem", folder / "client.pem", folder / "broker.pem"


def listener_properties(ca: Path, store: Path, sasl: int, mutual: int) -> dict[str, str]:
    """Broker settings of the two listeners."""
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    quoted = PASSWORD.replace('"', '\\"')
    properties = {
        "listeners": f"SECURE://127.0.0.1:{sasl},MUTUAL://127.0.0.1:{mutual}",
        "advertised.listeners": f"SECURE://localhost:{sasl},MUTUAL://localhost:{mutual}",
        "listener.security.protocol.map": "SECURE:SASL_SSL,MUTUAL:SSL",
        "listener.name.secure.sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "listener.name.secure.plain.sasl.jaas.config": f'{plain} user_{USER}="{quoted}";',
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
    }
    for mechanism in MECHANISMS[1:]:
        name = f"listener.name.secure.{mechanism.lower()}.sasl.jaas.config"
        properties[name] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return properties


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A broker with listeners `sasl` (TLS and password) and `mutual` (TLS and client certificate).

    Attributes: plaintext, sasl, mutual (host:port), user, password, ca, certificate, key (paths); it has one
    topic, `secured`, with one record, `known`.
    """
    folder = tmp_path_factory.mktemp("secured")
    ca, client, store = write_identity(folder, trustme.CA())
    sasl, mutual = local_kafka.free_port(), local_kafka.free_port()
    properties = listener_properties(ca, store, sasl, mutual)
    with local_kafka.running(folder / "kafka", properties=properties, heap_mb=256) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        admin.create_topics([NewTopic("secured", 1, 1)])["secured"].result(TIMEOUT_S)
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            user = UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
            admin.alter_user_scram_credentials([user])[USER].result(TIMEOUT_S)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        producer.produce("secured", b"known")
        assert producer.flush(TIMEOUT_S) == 0
        yield SimpleNamespace(
            plaintext=broker.bootstrap_servers,
            sasl=f"localhost:{sasl}",
            mutual=f"localhost:{mutual}",
            user=USER,
            password=PASSWORD,
            ca=ca,
            certificate=client,
            key=client,
        )
