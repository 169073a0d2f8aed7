"""Records of the topic of rejected ones."""

from __future__ import annotations

from collections.abc import Sequence

from sinks.base import Group
from streams.events import SourceRecord, rejected_headers, rejected_value
from streams.rejections import Rejected


def rejected_groups(topic: str, rejected: Sequence[tuple[SourceRecord, Rejected]]) -> list[Group]:
    """One group with the original bytes and the reasons, or none."""
    if not rejected:
        return []
    records = [(record.key, rejected_value(record)) for record, _ in rejected]
    return [Group(topic, records, headers=[rejected_headers(record, reason) for record, reason in rejected])]
