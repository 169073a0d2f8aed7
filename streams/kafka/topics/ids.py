"""Ids of topics: Kafka gives each one, and another one when a topic of that name is created anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.kafka.reading import StalledError
from streams.ops.backoff import GaveUpError

TIMEOUT_S = 30.0
# As Kafka's tools write ids: librdkafka's spelling has slashes.
URL_SAFE = str.maketrans("+/", "-_")
UNKNOWN = ""
# A topic counts as deleted after so many looks in a row without it.
MISSING_LOOKS = 6
# What brokers answer for a topic that they do not have.
NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_ID)


class SourceChangedError(GaveUpError):
    """Another topic has the name of one that was read; the message says what to do."""


def ids_now(admin: AdminClient, topics: Collection[str]) -> dict[str, str]:
    """Id of each topic, as of now; UNKNOWN where there is no such topic, or brokers that give none.

    Raises KafkaException where they cannot be asked.
    """
    if not topics:
        return {}
    answers = admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=TIMEOUT_S)
    found = {}
    for topic, answer in answers.items():
        try:
            found[topic] = str(answer.result(timeout=TIMEOUT_S).topic_id).translate(URL_SAFE)
        except KafkaException as error:
            if error.args[0].code() not in NO_TOPIC:
                raise
            found[topic] = UNKNOWN
    return found


def known_ids(admin: AdminClient, topics: Collection[str]) -> dict[str, str]:
    """As `ids_now`, of topics that are there. Raises StalledError where a broker does not know one yet."""
    found = ids_now(admin, topics)
    if missing := sorted(topic for topic, topic_id in found.items() if not topic_id):
        raise StalledError(f"the brokers do not know of {', '.join(missing)}")
    return found


class WatchedTopics:
    """The ids of the topics that are read, and checks whether they are the same."""

    def __init__(self, canonical_topic: str) -> None:
        """canonical_topic: the canonical one."""
        self._canonical_topic = canonical_topic
        self.ids: dict[str, str] = {}
        self._missing: Counter[str] = Counter()

    def look(self, now: Mapping[str, str]) -> None:
        """Raises SourceChangedError where a topic has another id than before, or was missing for some looks.

        A broker that has just started may not know its topics yet.
        """
        for topic, known in self.ids.items():
            found = now.get(topic, UNKNOWN)
            self._missing[topic] = 0 if found else self._missing[topic] + 1
            if (found and found != known) or self._missing[topic] >= MISSING_LOOKS:
                state = "made anew" if found else "deleted"
                raise SourceChangedError(
                    f"{topic} was {state} while it was read: {advice(topic, self._canonical_topic)}"
                )
        self.ids |= {topic: found for topic, found in now.items() if found}


def require_forward(topic: str, partition: int, asked: int, begin: int, canonical_topic: str) -> None:
    """Raises SourceChangedError where a partition that was read up to `asked` begins anew at a lower offset."""
    if begin < asked:
        raise SourceChangedError(
            f"{topic}-{partition} was read up to offset {asked} and now ends before it: the topic was made anew or "
            f"truncated: {advice(topic, canonical_topic)}"
        )


def advice(topic: str, canonical_topic: str) -> str:
    """What to do about a topic that is another one than before."""
    if topic == canonical_topic:
        return (
            "raise INTERESTFLOW_GENERATION, run `interestflow topics create` and start the worker again; it rebuilds "
            "the state from what the topic holds"
        )
    return "once it is there, start the worker again; a topic that was made anew is read from its beginning"
