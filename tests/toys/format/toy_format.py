"""Format `basket`: `user|action|item item …|milliseconds`, an event for each item."""

from __future__ import annotations

from functools import partial

from streams.events.adapters.base import STAGE, build_parts
from streams.events.canonical import Event
from streams.events.fields import Fields, Invalid
from streams.events.forgiven import Forgiven
from streams.events.records import SourceRecord
from streams.events.rejections import Limits, Reason, Rejected, size_problem
from streams.settings.settings import Settings


class BasketAdapter:
    """Reads baskets."""

    name = "basket"
    example = b"u|purchase|i|1600000000000"

    def __init__(self) -> None:
        self.forgiven = Forgiven()

    def parse(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """See Adapter."""
        if (problem := size_problem(record.value, limits, STAGE)) is not None:
            return [problem]
        try:
            user, action, items, time = (record.value or b"").decode().split("|")
            shared = {"user_id": user, "action": action, "timestamp": int(time)}
        except ValueError:
            return [Rejected(Reason.BAD_ENVELOPE, "the value is not user|action|items|milliseconds", STAGE)]
        parts = [partial(self._fields, {**shared, "item_id": item}) for item in items.split() or [""]]
        try:
            return build_parts(record, limits, parts)
        except Invalid as invalid:
            return [invalid.rejected(STAGE)]

    def _fields(self, given: dict[str, object]) -> Fields:
        return Fields(given, self.forgiven)


def from_settings(settings: Settings) -> BasketAdapter:
    """The same for all settings."""
    return BasketAdapter()
