"""Records that are no events, each kind from end to end: kept with the reason, and their neighbours unharmed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from encoders.core.base import identity
from streams.catalog.items import Item, encode_embedding
from streams.history.audit import audit
from streams.settings.source_topics import Source
from streams.wiring.encoder import build_encoder
from tests.faults.deployment import Deployment, until
from tests.faults.load import T0
from tests.faults.log import Tail
from tests.faults.node import Node
from tests.faults.trials import Tally, require

LARGE = 10_000_000
# The topic of rejected records takes 8 MiB, and headers need their part: between the two a value may go either way.
TAKES = 8 * 1024 * 1024
MOST_KEPT = TAKES - 4096
DEADLINE_S = 15.0
LARGEST = str(LARGE + 100_000)


def event(user: str, **fields: Any) -> bytes:
    """A right event."""
    body = {"event_id": f"e-{user}", "user_id": user, "action": "click", "item_id": "i1", "timestamp": T0}
    return orjson.dumps({**body, **fields})


# Kind -> record and the reason; None where it is an event all the same.
KINDS: dict[str, tuple[dict[str, Any], str | None]] = {
    "broken JSON": ({"value": b'{"user_id": "u', "key": b"k"}, "not_json"),
    "broken UTF-8": ({"value": event("u").replace(b"i1", b"\xff\xfe"), "key": b"k"}, "not_utf8"),
    "deep nesting": ({"value": b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "key": b"k"}, "too_deep"),
    "null key": ({"value": event("keyless"), "key": None}, None),
    "null key, broken": ({"value": b"{", "key": None}, "not_json"),
    "tombstone": ({"value": None, "key": b"k"}, "empty_value"),
    "tombstone, null key": ({"value": None, "key": None}, "empty_value"),
    "empty value": ({"value": b"", "key": b"k"}, "empty_value"),
    "duplicate headers": (
        {"value": b"{", "key": b"k", "headers": [("h", b"1"), ("h", None), ("h", b"2")]},
        "not_json",
    ),
    "forged headers": (
        {"value": b"{", "key": b"k", "headers": [("__connect.errors.offset", b"\xff")]},
        "not_json",
    ),
    "key is no UTF-8": ({"value": b"[]", "key": b"\xff"}, "not_an_object"),
    "NaN": ({"value": event("u", value=1.5).replace(b"1.5", b"NaN"), "key": b"k"}, "not_finite"),
    "number out of range": (
        {"value": event("u", value=1.5).replace(b"1.5", b"1e999"), "key": b"k"},
        "not_finite",
    ),
    "huge value": ({"value": event("huge", action="purchase", value=1e300), "key": b"huge"}, None),
    "lone surrogate": ({"value": event("u").replace(b"i1", b"\\ud800"), "key": b"k"}, "not_utf8"),
}
# Beyond what is kept of a value; and nearly as much as is kept (to the byte: tests of rejected_record).
TOO_LARGE: dict[str, dict[str, Any]] = {
    "10 MB": {"value": b'"' + b"x" * LARGE + b'"', "key": b"k", "headers": [("h", b"1")]},
    "as much as is kept": {"value": b'"' + b"x" * (MOST_KEPT - 2) + b'"', "key": b"k"},
    "8 MiB": {"value": b'"' + b"x" * (TAKES - 2) + b'"', "key": b"k"},
}


def kept_value(value: bytes | None) -> bytes | None:
    """What is kept of a value: itself, byte for byte, up to a bound, and beyond it nothing."""
    return None if value is not None and len(value) > MOST_KEPT else value


class Poisoned:
    """A deployment with a raw source whose topic takes large records, and ways to write and read them."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment, self.settings = deployment, deployment.settings
        self._rejected = Tail(deployment.config, self.settings.topics.rejected)
        self.rejected: list[Message] = []
        for topic in (self.settings.topics.raw_sources[0].topic, self.settings.topics.canonical):
            entry = ConfigEntry("max.message.bytes", LARGEST, incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
            deployment.admin.incremental_alter_configs([resource])[resource].result(20)
        own = {"partitioner": "murmur2_random", "enable.idempotence": True, "message.max.bytes": LARGEST}
        self._producer = Producer({**deployment.config, **own})

    def write(self, topic: str, *records: dict[str, Any]) -> None:
        """Write records into one partition, so that the poison stands between its neighbours."""
        for record in records:
            self._producer.produce(topic, partition=0, **record)
        assert self._producer.flush(30) == 0

    def refused(self, record: dict[str, Any], topic: str, since: int) -> list[Message]:
        """The record in the topic of rejected ones that came of it, once it is there."""
        self.rejected += self._rejected.messages()
        kept = kept_value(record["value"])
        for message in self.rejected[since:]:
            headers = message.headers() or []
            if ("__connect.errors.topic", topic.encode()) in headers and message.value() == kept:
                return [message]  # a message without value is as good as false
        return []

    def counts(self) -> dict[str, int]:
        """Events counted, by user."""
        self.deployment.look()
        return {user: int(row.state["applied"][0]) for user, row in self.deployment.changelog.rows.items()}

    def close(self) -> None:
        """End it all."""
        self._rejected.close()
        self.deployment.close()


def start(node: Node, folder: Path) -> Poisoned:
    """A running deployment with a raw source."""
    source = Source(topic=f"raw-{time.time_ns()}")
    made = Poisoned(Deployment(node.servers, folder, 0, sources=(source,)))
    made.deployment.crew.start("a")
    return made


@pytest.fixture(scope="module")
def poisoned(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poisoned]:
    """One deployment for all kinds."""
    made = start(node, tmp_path_factory.mktemp("poison"))
    yield made
    made.close()


def neighbours(name: str) -> list[dict[str, Any]]:
    """Two right events of two users."""
    users = [f"{name} before", f"{name} after"]
    return [{"value": event(user), "key": user.encode()} for user in users]


@pytest.mark.parametrize("stage", ["ingest", "update"])
@pytest.mark.parametrize("kind", KINDS)
def test_poison_is_kept_and_harms_nobody(kind: str, stage: str, poisoned: Poisoned) -> None:
    problems = suffer(poisoned, stage, f"{kind} {stage}", *KINDS[kind])
    finish(f"poison at {stage}: {kind}", problems, poisoned)


@pytest.mark.parametrize("stage", ["ingest", "update"])
def test_what_is_larger_than_we_can_keep_harms_nobody(stage: str, node: Node, tmp_path: Path) -> None:
    """In a deployment of its own, for a worker that cannot get past it can do nothing else either."""
    poisoned = start(node, tmp_path)
    try:
        for size, record in TOO_LARGE.items():
            problems = suffer(poisoned, stage, size, record, "too_large")
            finish(f"poison at {stage}: {size}", problems, poisoned)
    finally:
        poisoned.close()


def test_an_embedding_that_is_no_vector_is_not_learnt(poisoned: Poisoned) -> None:
    """Events of its item wait, as for one that nobody knows; all others go on."""
    settings = poisoned.settings
    space = identity(build_encoder(settings))
    vector = np.full(settings.encoder.dimensions, np.nan, dtype=np.float32)
    value = encode_embedding(Item("nan"), vector, space, "a fingerprint")
    poisoned.write(settings.topics.embeddings, {"value": value, "key": b"nan"})
    before, after = neighbours("no vector")
    poisoned.write(
        settings.topics.canonical, before, {"value": event("of nan", item_id="nan"), "key": b"of nan"}, after
    )
    users = [n["key"].decode() for n in (before, after)]
    until(lambda: all(poisoned.counts().get(user) == 1 for user in users), "the neighbours", DEADLINE_S)
    assert poisoned.counts()["of nan"] == 0


def suffer(
    poisoned: Poisoned, stage: str, name: str, record: dict[str, Any], reason: str | None
) -> list[str]:
    """Write the record between two neighbours; what is wrong with what became of the three."""
    settings, since = poisoned.settings, len(poisoned.rejected)
    topic = settings.topics.raw_sources[0].topic if stage == "ingest" else settings.topics.canonical
    before, after = neighbours(name)
    poisoned.write(topic, before, record, after)
    users = [n["key"].decode() for n in (before, after)]
    try:
        until(lambda: all(poisoned.counts().get(user) == 1 for user in users), "the neighbours", DEADLINE_S)
        if reason is None:
            user = orjson.loads(record["value"])["user_id"]
            until(lambda: poisoned.counts().get(user), f"the event of {user}", DEADLINE_S)
            return []
        (kept,) = until(lambda: poisoned.refused(record, topic, since), "the rejected record", DEADLINE_S)
    except AssertionError as error:
        return [str(error)]
    return differences(kept, record, reason)


def differences(kept: Message, record: dict[str, Any], reason: str) -> list[str]:
    """Where a rejected record is not as it came, or has another reason."""
    headers, own = kept.headers() or [], record.get("headers", [])
    value, told_of = record["value"], dict(headers)
    omitted = {"size": b"%d" % len(value or b""), "sha256": sha256(value or b"").hexdigest().encode()}
    expected = omitted if value is not None and kept_value(value) is None else {}
    found = {
        name: told_of[f"interestflow.value.{name}"]
        for name in omitted
        if f"interestflow.value.{name}" in told_of
    }
    problems = [] if kept.key() == record["key"] else [f"its key is {kept.key()!r} now"]
    if found != expected:
        problems.append(f"of its value {found} is told, not {expected}")
    if headers[: len(own)] != own:
        problems.append(f"its headers are {headers[: len(own)]} now")
    if (told := dict(headers).get("interestflow.reason")) != reason.encode():
        problems.append(f"its reason is {told!r}, not {reason}")
    return problems


def finish(name: str, problems: list[str], poisoned: Poisoned) -> None:
    """Write it down, and fail with the workers' log where something was wrong."""
    tally = Tally(name)
    tally.record(name, {"kept, neighbours unharmed": problems})
    if problems:
        tally.evidence.append(poisoned.deployment.crew.logs())
    require([tally])


def test_the_books_balance_after_all_that_poison(poisoned: Poisoned) -> None:
    until(lambda: not poisoned.deployment.lag(), "the end of the log")
    assert audit(poisoned.settings).problems == []
