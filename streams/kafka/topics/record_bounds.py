"""The largest record that we may write to each topic, for its `max.message.bytes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.catalog.items import LONGEST_LABEL, MOST_LABELS
from streams.interest import MODELS
from streams.settings.settings import Settings
from streams.state.users.layout import UserLayout

Headers = Sequence[tuple[str, bytes | None]]

# Kafka's default of `max.message.bytes`.
KAFKA_DEFAULT = 1_048_588
# In a batch of one record (format 2): the batch header, and the longest lengths and deltas of a record.
BATCH_BYTES, RECORD_BYTES = 61, 24
HEADER_BYTES = 10
# Bytes of a character, at most: in UTF-8, and escaped in JSON.
CHARACTER, ESCAPED = 4, 6
# Names, numbers and punctuation of our JSON records, and the headers of a canonical record.
JSON_BYTES, ORIGIN_BYTES = 1024, 2048
BASE64_VALUE = 6
VALUE_BYTES = {"base64": BASE64_VALUE, "array": 26, "f4le": 4, "f2le": 2}
CONSUMED_BYTES = 8
REJECTED_BYTES = 8 * 1_048_576
STEP = 1_048_576


def record_bytes(key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
    """Bytes of a record sent alone, as `max.message.bytes` counts them, or a few more."""
    counted = sum(HEADER_BYTES + len(name.encode()) + len(given or b"") for name, given in headers)
    return BATCH_BYTES + RECORD_BYTES + len(key or b"") + len(value or b"") + counted


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that each topic must take, so that every record of these settings fits; Kafka's default at least."""

    events: int
    rejected: int
    embeddings: int
    vectors: int
    recommendations: int
    state: int

    @classmethod
    def of(cls, settings: Settings) -> Needs:
        """By the settings alone."""
        around = BATCH_BYTES + RECORD_BYTES
        key = CHARACTER * settings.limits.max_id_length
        name = ESCAPED * settings.limits.max_id_length
        vector = VALUE_BYTES[settings.output.vector_format] * settings.encoder.dimensions
        # An item's vector is always base64; its title is bounded like a text, and so are its attributes.
        text = settings.limits.max_text_length + 2 * MOST_LABELS * LONGEST_LABEL
        item = name + BASE64_VALUE * settings.encoder.dimensions + ESCAPED * text
        return cls(
            events=max(KAFKA_DEFAULT, around + key + settings.limits.max_bytes + ORIGIN_BYTES),
            rejected=max(REJECTED_BYTES, 2 * settings.limits.max_bytes),
            embeddings=max(KAFKA_DEFAULT, around + key + item + JSON_BYTES),
            vectors=max(KAFKA_DEFAULT, around + key + name + vector + JSON_BYTES),
            # As many items as fit are recommended.
            recommendations=KAFKA_DEFAULT,
            state=_in_steps(around + key + _state(settings)),
        )


def _in_steps(size: int) -> int:
    """The size, rounded up above Kafka's default, so that a few more dimensions need no new topic setting."""
    return KAFKA_DEFAULT if size <= KAFKA_DEFAULT else -(-size // STEP) * STEP


def _state(settings: Settings) -> int:
    """Bytes of the largest state: row, items consumed, events that wait."""
    model, kept = MODELS.build(settings.interest.model, settings), settings.user_state
    bounds = kept.consumed_per_user, kept.dedupe_window, settings.feedback.shown
    row = UserLayout(model, kept.history_length, "", *bounds).size
    consumed = CONSUMED_BYTES * kept.consumed_per_user
    return row + consumed + kept.waiting_bytes_per_user + JSON_BYTES
