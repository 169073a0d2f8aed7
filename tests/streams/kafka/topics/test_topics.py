"""What each topic must be like, by the settings alone."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from streams.commands.topics import topics_cli
from streams.kafka.topics.admin import TopicAdmin, TopicSpec
from streams.kafka.topics.specifications import TopicError, create, specs
from streams.settings.settings import Settings
from streams.settings.source_topics import Source


def test_each_role_has_its_clean_up_policy() -> None:
    settings = Settings()
    policies = {spec.name: spec.cleanup_policy for spec in specs(settings)}
    deleting = {settings.topics.events, settings.topics.rejected, "behavior.raw.v1"}
    compacting = {
        settings.topics.items,
        settings.topics.embeddings,
        settings.topics.vectors,
        settings.topics.recommendations,
        settings.topics.state,
    }
    assert {name for name, policy in policies.items() if policy == "delete"} == deleting
    assert {name for name, policy in policies.items() if policy == "compact"} == compacting


def test_partitions_and_copies_are_the_settings() -> None:
    wanted = specs(Settings(partitions=7, replication_factor=3))
    assert {(spec.partitions, spec.replication_factor) for spec in wanted} == {(7, 3)}


def test_a_canonical_source_takes_the_place_of_our_events_topic() -> None:
    settings = Settings(sources=(Source(topic="clicks", format="canonical"), Source(topic="raw")))
    names = [spec.name for spec in specs(settings)]
    assert "clicks" in names
    assert "raw" in names
    assert settings.topics.events not in names


def test_state_topic_belongs_to_the_generation() -> None:
    first, second = (specs(Settings(app="shop", generation=g))[-1].name for g in (1, 2))
    assert (first, second) == ("shop-g1-state", "shop-g2-state")


def test_rejected_records_may_be_larger_than_the_limit() -> None:
    settings = Settings(limit_bytes=20_000_000)
    rejected = next(spec for spec in specs(settings) if spec.name == settings.topics.rejected)
    assert int(rejected.config["max.message.bytes"]) > settings.limits.max_bytes


@pytest.mark.parametrize("verb", ["create", "check"])
def test_help_has_an_example(verb: str) -> None:
    assert f"interestflow topics {verb}" in CliRunner().invoke(topics_cli, [verb, "--help"]).output


class Forgetful:
    """An admin whose second broker has not heard of new topics yet."""

    def __init__(self, *_: Any) -> None:
        self.made: dict[str, int] = {}
        self.asked = 0

    def create(self, wanted: list[TopicSpec]) -> list[str]:
        self.made |= {spec.name: spec.partitions for spec in wanted}
        return [spec.name for spec in wanted]

    def partitions(self) -> dict[str, int]:
        self.asked += 1
        return self.made if self.asked > 3 else {}

    known = TopicAdmin.known


def test_a_broker_that_has_not_heard_of_a_new_topic_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = Forgetful()
    monkeypatch.setattr("streams.kafka.topics.specifications.TopicAdmin", lambda *_: admin)
    assert "interestflow-g1-state" in create(Settings(partitions=3))
    assert admin.made["interestflow-g1-state"] == 3


def test_a_topic_that_stays_unknown_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = Forgetful()
    monkeypatch.setattr(admin, "partitions", dict)
    monkeypatch.setattr(admin, "known", lambda topic: TopicAdmin.known(admin, topic, 0.0))  # type: ignore[arg-type]
    monkeypatch.setattr("streams.kafka.topics.specifications.TopicAdmin", lambda *_: admin)
    with pytest.raises(TopicError, match=r"behavior\.events\.v1"):
        create(Settings())
