"""Names of topics: what Kafka takes as one, and that no two settings share one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

# Kafka's own rule (org.apache.kafka.common.internals.Topic).
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None or name in (".", ".."):
        raise ValueError(
            f"{name[:260]!r} is no name of a topic: Kafka takes 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_', '-'"
        )
    return name


TopicName = Annotated[str, AfterValidator(_checked)]


def shared(named: Iterable[tuple[str, str]]) -> list[str]:
    """One sentence per topic that has several settings. named: setting and topic."""
    settings: dict[str, list[str]] = {}
    for setting, topic in named:
        settings.setdefault(topic, []).append(setting)
    return [
        f"{' and '.join(both)} name one topic, {topic}: give each its own"
        for topic, both in settings.items()
        if len(both) > 1
    ]
