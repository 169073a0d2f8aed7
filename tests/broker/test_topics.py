"""Making and checking topics on a real broker."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from typer.testing import CliRunner

from streams.commands.topics import topics_cli
from streams.kafka.topics import specifications as topics
from streams.kafka.topics.specifications import TopicError
from streams.local_kafka.local_kafka import free_port
from streams.settings.settings import Settings
from streams.settings.source_topics import Source

MakeSettings = Callable[..., Settings]
MakeTopic = Callable[..., str]


def alter(admin: AdminClient, topic: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(30)
    asked = ConfigResource(ResourceType.TOPIC, topic)
    deadline = time.monotonic() + 30
    while admin.describe_configs([asked])[asked].result(30)[key].value != value:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_create_makes_every_topic_once_and_check_is_content(
    make_settings: MakeSettings, admin: AdminClient
) -> None:
    settings = make_settings(partitions=3)
    wanted = {spec.name for spec in topics.specs(settings)}
    assert set(topics.check(settings)) == {
        f"{name} is missing: run `interestflow topics create`" for name in wanted
    }
    assert set(topics.create(settings)) == wanted
    assert topics.create(settings) == []
    assert topics.check(settings) == []
    assert topics.partition_count(settings, settings.topics.events) == 3
    state = ConfigResource(ResourceType.TOPIC, settings.topics.state)
    config = admin.describe_configs([state])[state].result(30)
    assert config["cleanup.policy"].value == "compact"
    assert int(config["min.compaction.lag.ms"].value) >= 600_000
    assert config["message.timestamp.type"].value == "LogAppendTime"


def test_a_compacted_source_loses_events(
    make_settings: MakeSettings, make_topic: MakeTopic, admin: AdminClient
) -> None:
    company = make_topic("company")
    settings = make_settings(sources=(Source(topic=company, format="native"),))
    topics.create(settings)
    assert topics.check(settings) == []
    alter(admin, company, "cleanup.policy", "compact")
    (problem,) = topics.check(settings)
    assert problem.startswith(f"{company} has cleanup.policy=compact, not delete: run `kafka-configs.sh ")
    assert problem.endswith("; compaction removes all but the newest event of a key, read or not")


def test_state_follows_the_partitions_of_an_events_topic_that_exists(
    make_settings: MakeSettings, make_topic: MakeTopic
) -> None:
    company = make_topic("company", partitions=5)
    settings = make_settings(partitions=2, sources=(Source(topic=company, format="canonical"),))
    created = topics.create(settings)
    assert company not in created
    assert settings.topics.events not in created
    assert topics.partition_count(settings, settings.topics.state) == 5
    (found,) = topics.check(settings)
    assert f"{company} has message.timestamp.type=CreateTime, not LogAppendTime" in found


def test_check_names_what_loses_data_and_how_to_mend_it(
    make_settings: MakeSettings, make_topic: MakeTopic, admin: AdminClient
) -> None:
    settings = make_settings(partitions=2)
    make_topic("app-g1-state", partitions=3, cleanup__policy="compact")
    topics.create(settings)
    alter(admin, settings.topics.events, "cleanup.policy", "compact")
    found = "\n".join(topics.check(settings))
    mend = "--add-config cleanup.policy=delete"
    assert f"{settings.topics.events} has cleanup.policy=compact, not delete" in found
    assert f"--bootstrap-server {settings.kafka.bootstrap_servers}" in found
    assert mend in found
    assert f"{settings.topics.state} has min.compaction.lag.ms=0" in found
    assert "has 3 partitions" in found
    assert "INTERESTFLOW_GENERATION=2" in found
    assert f"{settings.topics.state} has message.timestamp.type=CreateTime" in found
    assert f"{settings.topics.state} has max.message.bytes=1048588" in found
    assert len(found.splitlines()) == 5
    copies = topics.check(settings.model_copy(update={"replication_factor": 3}))
    assert any("has 1 copies, not 3" in problem for problem in copies)


def test_more_copies_than_brokers_is_an_error_with_its_reason(make_settings: MakeSettings) -> None:
    with pytest.raises(TopicError, match="replication factor"):
        topics.create(make_settings(replication_factor=3))


def test_topic_that_is_not_there_has_no_partition_count(make_settings: MakeSettings) -> None:
    with pytest.raises(TopicError, match="interestflow topics create"):
        topics.partition_count(make_settings(), "nowhere")


def test_no_broker_says_how_to_start_one(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka.topics.admin.CONNECT_DEADLINE_S", 0.0)
    settings = make_settings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}")
    with pytest.raises(TopicError, match="interestflow kafka start"):
        topics.check(settings)


def test_cli_creates_and_checks(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, topic_prefix: str
) -> None:
    settings = make_settings()
    for name in (*topics.prefixed(""), "app"):
        monkeypatch.setenv(f"INTERESTFLOW_{name.upper()}", settings.flat()[name])
    monkeypatch.setenv("INTERESTFLOW_SOURCES", f"{topic_prefix}raw:native")
    servers = ["--bootstrap-servers", settings.kafka.bootstrap_servers]
    run = CliRunner().invoke
    missing = run(topics_cli, ["check", *servers])
    assert missing.exit_code == 1
    assert "interestflow topics create" in missing.stderr
    created = run(topics_cli, ["create", "--partitions", "2", *servers])
    assert created.exit_code == 0, created.output
    assert f"created {topic_prefix}raw" in created.output
    assert topics.partition_count(settings, settings.topics.state) == 2
    assert run(topics_cli, ["check", *servers]).exit_code == 0
