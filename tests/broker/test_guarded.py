"""A broker that asks for a token and gives each right by itself: what a worker needs, and what it says without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
)
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from sinks.base import TopicRecords
from sinks.kafka import KafkaLog
from streams.kafka import security
from streams.kafka.clients import client_config
from streams.kafka.reading import Reader, ReadError
from streams.kafka.tokens import TokenError
from streams.kafka.topics import rights
from streams.kafka.topics import specifications as topics
from streams.kafka.topics.rights import Need
from streams.local_kafka import local_kafka
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests import acls
from tests.broker.token_server import TokenServer
from tests.broker.workers import SMALL, eventually, finish, logged_workers, run_worker, spawn

USER, SECRET, TIMEOUT_S = "us", "s3cret", 30.0
# Shorter than a test, so that clients log in again within it.
LOGIN_LIFE_MS = 4000


def properties(port: int) -> dict[str, str]:
    """A listener for tokens beside the plaintext one, whose user may do everything."""
    module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
    return {
        "listeners": f"TOKEN://127.0.0.1:{port}",
        "advertised.listeners": f"TOKEN://127.0.0.1:{port}",
        "listener.security.protocol.map": "TOKEN:SASL_PLAINTEXT",
        "listener.name.token.sasl.enabled.mechanisms": "OAUTHBEARER",
        # Without a handler of its own, Kafka's login module takes unsigned tokens, for development.
        "listener.name.token.oauthbearer.sasl.jaas.config": f'{module} required unsecuredLoginStringClaim_sub="b";',
        "listener.name.token.oauthbearer.connections.max.reauth.ms": str(LOGIN_LIFE_MS),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The broker. Attributes: open (host:port for the test), settings(**fields) for the user, tokens, admin."""
    port = local_kafka.free_port()
    home = tmp_path_factory.mktemp("guarded")
    with (
        TokenServer(USER, SECRET) as server,
        local_kafka.running(home / "kafka", properties=properties(port), heap_mb=256) as broker,
    ):
        own = {
            "kafka_bootstrap_servers": f"127.0.0.1:{port}",
            "kafka_security_protocol": "SASL_PLAINTEXT",
            "kafka_sasl_mechanism": "OAUTHBEARER",
            "kafka_oauth_token_endpoint_url": server.url,
            "kafka_oauth_client_id": USER,
            "kafka_oauth_client_secret": SECRET,
        }
        yield SimpleNamespace(
            open=broker.bootstrap_servers,
            tokens=server,
            admin=AdminClient({"bootstrap.servers": broker.bootstrap_servers}),
            own=own,
        )


@pytest.fixture
def deployed(guarded: SimpleNamespace, topic_prefix: str) -> Settings:
    """Settings of a deployment with topics, an item and an event, whose user has exactly the rights that are named."""
    fields = {
        **SMALL,
        **topics.prefixed(topic_prefix),
        "app": topic_prefix + "app",
        "sources": (Source(topic=topic_prefix + "raw"),),
        "metrics_port": 0,
        "partitions": 2,
    }
    topics.create(Settings(**fields, kafka_bootstrap_servers=guarded.open))
    settings = Settings(**fields, **guarded.own)
    for need in rights.check_needs(settings):
        allow(guarded.admin, need)
    producer = Producer({"bootstrap.servers": guarded.open, "log_level": 0})
    producer.produce(settings.topics.items, orjson.dumps({"item_id": "i", "title": "red"}), b"i")
    event = {"user_id": "u", "item_id": "i", "action": "click", "timestamp": 1_600_000_000_000}
    producer.produce(topic_prefix + "raw", orjson.dumps(event), b"u")
    assert producer.flush(TIMEOUT_S) == 0
    return settings


def allow(admin: AdminClient, need: Need) -> None:
    acls.give(admin, [acls.binding(USER, need.kind, need.name, operation) for operation in need.operations])


def forbid(admin: AdminClient, need: Need) -> None:
    """Take all rights on the resource away."""
    found = AclBindingFilter(
        acls.KINDS[need.kind],
        need.name,
        ResourcePatternType.LITERAL,
        None,
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    for done in admin.delete_acls([found]).values():
        assert done.result(TIMEOUT_S)


def test_the_rights_that_are_named_are_enough_and_a_login_outlives_its_token(
    guarded: SimpleNamespace, deployed: Settings
) -> None:
    eventually(lambda: topics.check(deployed) == [], "the rights")
    began = time.monotonic()
    log = run_worker(deployed.model_copy(update={"generation": 1}))
    assert "Traceback" not in log
    assert time.monotonic() - began > LOGIN_LIFE_MS / 1000
    reader = Reader({"bootstrap.servers": guarded.open}, deployed.topics.vectors)
    assert sum(len(chunk) for chunk in reader.to_end()) == 1
    reader.close()


@pytest.mark.parametrize("number", range(9))
def test_each_right_that_is_missing_is_named_with_its_command(
    guarded: SimpleNamespace, deployed: Settings, number: int
) -> None:
    need = rights.needs(deployed)[number]
    forbid(guarded.admin, need)
    said = eventually(lambda: topics.check(deployed), "the missing right")
    assert len(said) == 1
    for words in (need.name, need.setting, "kafka-acls.sh", f"--{need.kind} '{need.name}'"):
        assert words in said[0]
    for operation in need.operations:
        assert f"--operation {operation.name.title()}" in said[0]


def test_a_worker_without_a_right_ends_and_names_it(guarded: SimpleNamespace, deployed: Settings) -> None:
    group = rights.needs(deployed)[-1]
    forbid(guarded.admin, group)
    log = finish(spawn(deployed), 1)
    assert f"group {deployed.topics.group} (INTERESTFLOW_APP): the log-in has no right to READ" in log


def test_a_right_that_is_taken_away_ends_a_worker_that_runs(
    guarded: SimpleNamespace, deployed: Settings, tmp_path: Path
) -> None:
    settings = deployed.model_copy(update={"metrics_port": local_kafka.free_port()})
    with logged_workers(tmp_path) as start:
        worker = start(settings)
        worker.ready()
        forbid(guarded.admin, rights.needs(settings)[0])
        log = worker.ended(70)
    # Whoever is first says so: the look, or the fetch.
    assert f"{settings.topics.raw_sources[0].topic}" in log.rpartition("cannot go on")[2]
    assert "no right to READ" in log or "TOPIC_AUTHORIZATION_FAILED" in log


def test_reading_needs_no_right_on_a_group(guarded: SimpleNamespace, deployed: Settings) -> None:
    forbid(guarded.admin, rights.needs(deployed)[-1])
    reader = Reader(client_config(deployed), deployed.topics.items)
    assert sum(len(chunk) for chunk in reader.to_end(30.0)) == 1
    reader.close()


def test_a_topic_that_may_not_be_read_is_named(guarded: SimpleNamespace, deployed: Settings) -> None:
    need = next(need for need in rights.needs(deployed) if need.name == deployed.topics.items)
    forbid(guarded.admin, need)
    with pytest.raises(ReadError, match=f"topic {deployed.topics.items}.*TOPIC_AUTHORIZATION_FAILED"):
        eventually(
            lambda: not Reader(client_config(deployed), deployed.topics.items),
            "the refusal",
        )


def test_the_sink_logs_in_by_token(deployed: Settings) -> None:
    sink = KafkaLog(client_config(deployed))
    sink.publish([TopicRecords(deployed.topics.rejected, [(b"k", b"v")])]).result(TIMEOUT_S)
    assert sink.close(5.0) == 0


@pytest.mark.parametrize("client", ["aiokafka", "faust"])
def test_aiokafka_and_faust_log_in_by_token(deployed: Settings, client: str) -> None:
    config = security.aiokafka_config(deployed.kafka)
    if client == "faust":
        credentials = security.faust_broker_credentials(deployed.kafka)
        config = {
            **credentials_to_aiokafka_auth(credentials, None),
            "bootstrap_servers": config["bootstrap_servers"],
        }

    async def first() -> Any:
        consumer = AIOKafkaConsumer(deployed.topics.items, **config, auto_offset_reset="earliest")
        await consumer.start()
        try:
            return await asyncio.wait_for(consumer.getone(), TIMEOUT_S)
        finally:
            await consumer.stop()

    assert asyncio.run(first()).key == b"i"


def test_a_wrong_secret_is_told_by_every_verb(deployed: Settings) -> None:
    wrong = deployed.model_copy(update={"kafka_oauth_client_secret": "guess"})
    with pytest.raises(TokenError, match="INTERESTFLOW_KAFKA_OAUTH_CLIENT_SECRET"):
        topics.check(wrong)
    log = finish(spawn(wrong), 1)
    assert "INTERESTFLOW_KAFKA_OAUTH_CLIENT_SECRET" in log
    assert "guess" not in log
