"""Format `basket`: `user|action|item item …|milliseconds`, an event for each item."""

from __future__ import annotations

from streams.events.adapters.base import STAGE, build, too_many
from streams.events.canonical import Event, default_event_id
from streams.events.fields import Fields, Invalid
from streams.events.forgiven import Forgiven
from streams.events.records import SourceRecord
from streams.events.rejections import Limits, Reason, Rejected, envelope_problem
from streams.settings.settings import Settings


class BasketAdapter:
    """Reads baskets."""

    name = "basket"
    example = b"u|purchase|i|1600000000000"

    def __init__(self) -> None:
        self.forgiven = Forgiven()

    def parse(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """See Adapter."""
        if (problem := envelope_problem(record.value, limits, STAGE)) is not None:
            return [problem]
        try:
            user, action, items, time = (record.value or b"").decode().split("|")
            shared = {"user_id": user, "action": action, "timestamp": int(time)}
        except ValueError:
            return [Rejected(Reason.BAD_ENVELOPE, "the value is not user|action|items|milliseconds", STAGE)]
        names = items.split() or [""]
        if len(names) > limits.max_events:
            return [too_many(len(names), limits).rejected(STAGE)]
        order = default_event_id(record, limits)
        return [
            self._event(record, limits, {**shared, "item_id": item}, f"{order}#{index}")
            for index, item in enumerate(names)
        ]

    def _event(
        self, record: SourceRecord, limits: Limits, fields: dict[str, object], event_id: str
    ) -> Event | Rejected:
        try:
            return build(record, limits, Fields(fields, self.forgiven), event_id)
        except Invalid as invalid:
            return invalid.rejected(STAGE)


def from_settings(settings: Settings) -> BasketAdapter:
    """The same for all settings."""
    return BasketAdapter()
