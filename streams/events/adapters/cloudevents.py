"""CloudEvents 1.0 over Kafka, binary, structured and batched mode.

Source: CloudEvents 1.0.2 and its Kafka protocol binding. The pair of `source` and `id` is unique, so it makes
the event id. From the attributes come the action (`type`, see `action_of`), the item (`subject`), the user
(`partitionkey`) and the time, each unless the data has it. The official SDKs write `partitionkey` into the
record's key and nowhere else, so where neither names a user the key does.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any

from streams.events import forgiven as kinds
from streams.events.adapters.base import STAGE, build_all, load_fields, too_many
from streams.events.canonical import Event, fitting_id
from streams.events.fields import Fields, Invalid
from streams.events.forgiven import Forgiven
from streams.events.near_misses import LISTS
from streams.events.records import SourceRecord
from streams.events.rejections import Limits, Reason, Rejected, envelope_problem
from streams.events.wrappings import load_any
from streams.settings.action_rules import DEFAULT_ACTIONS
from streams.settings.action_words import known_word, spell
from streams.settings.settings import Settings

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
JSON_TYPES = ("", "application/json", "text/json")
# In binary mode; other attributes may hold what they like.
READ_HEADERS = frozenset(
    f"ce_{name}" for name in ("specversion", "id", "source", "type", "subject", "partitionkey", "time")
)

# The end of a type that is its version: `.v2`, `.v1.2`, `/v1beta1`, `.2025-06-01`, `.1.0`, `-v2`.
_VERSION = re.compile(r"(?i)(?:[./:_\-]v\d+(?:[._]\d+)*(?:(?:alpha|beta|rc)\d*)?|[./:]\d+(?:[.\-]\d+)*)$")


class CloudEventsAdapter:
    """Format `cloudevents`."""

    name = "cloudevents"
    example = (
        b'{"specversion": "1.0", "id": "1", "source": "s", "type": "click", "subject": "i", "partitionkey": "u",'
        b' "time": "2024-05-01T10:00:00Z"}'
    )

    def __init__(self) -> None:
        self.forgiven = Forgiven()

    def parse(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """See the module."""
        headers = _text_headers(record)
        content_type = _media_type(headers.get("content-type", ""))
        bare = not record.value and _is_binary(headers, content_type)  # attributes without data are an event
        if not bare and (problem := envelope_problem(record.value, limits, STAGE)) is not None:
            return [problem]
        try:
            if content_type == BATCHED:
                return self._batch(record, limits)
            attributes, data = self._open(record, limits, headers, content_type)
            return _events(record, limits, attributes, data)
        except Invalid as invalid:
            return [invalid.rejected(STAGE)]

    def _batch(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """The events of each member; what is wrong with one leaves the others alone. Raises Invalid."""
        loaded = load_any(record.value or b"")
        if not isinstance(loaded.fields, list) or not loaded.fields:
            raise Invalid(
                Reason.BAD_ENVELOPE, f"a value of type {BATCHED} is a JSON array of one event or more"
            )
        results: list[Event | Rejected] = []
        for envelope in loaded.fields:
            try:
                if not isinstance(envelope, dict):
                    raise Invalid(Reason.BAD_ENVELOPE, "a member of the batch is no JSON object")
                data = self._structured_data(envelope, limits, loaded.damaged)
                results += _events(record, limits, envelope, data)
            except Invalid as invalid:
                results.append(invalid.rejected(STAGE))
            if len(results) > limits.max_events:
                raise too_many(len(results), limits)
        return results

    def _open(
        self, record: SourceRecord, limits: Limits, headers: Mapping[str, str], content_type: str
    ) -> tuple[Mapping[str, Any], Fields]:
        """The envelope's attributes and the data, in binary or structured mode. Raises Invalid."""
        if content_type.startswith("application/cloudevents") and content_type != STRUCTURED:
            raise Invalid(
                Reason.UNSUPPORTED_CONTENT_TYPE, f"{content_type[:60]} is not read: send {STRUCTURED}"
            )
        value = record.value or b""
        if _is_binary(headers, content_type):
            if value and content_type not in JSON_TYPES and not content_type.endswith("+json"):
                raise Invalid(Reason.UNSUPPORTED_CONTENT_TYPE, f"data is {content_type[:60]}, not JSON")
            attributes = {
                name.removeprefix("ce_"): v for name, v in headers.items() if name.startswith("ce_")
            }
            _require_utf8(record)
            return attributes, load_fields(value or b"{}", self.forgiven)
        envelope = load_fields(value, self.forgiven)
        return envelope.given, self._structured_data(envelope.given, limits, envelope.damaged)

    def _structured_data(self, envelope: Mapping[str, Any], limits: Limits, damaged: bool) -> Fields:
        encoded = envelope.get("data_base64")
        if encoded is not None:
            try:
                data = a2b_base64(encoded, strict_mode=True)
            except (Base64Error, ValueError, TypeError) as error:
                raise Invalid(Reason.BAD_ENVELOPE, "data_base64 is not base64") from error
            if (problem := envelope_problem(data, limits, STAGE)) is not None:
                raise Invalid(problem.reason, problem.message)
            fields = load_fields(data, self.forgiven)
            fields.damaged |= damaged
            return fields
        found = envelope.get("data")
        if found is not None and not isinstance(found, dict):
            raise Invalid(Reason.BAD_ENVELOPE, "data is not a JSON object")
        return Fields(found or {}, self.forgiven, damaged)


def action_of(kind: str) -> str:
    """The action that a `type` names: its last word, less its version; with the one before it where both are a known
    word together, as in `com.shop.cart.removed`."""
    named = kind
    while (shorter := _VERSION.sub("", named)) not in (named, ""):
        named = shorter
    words = [word for word in re.split(r"[./:]", named) if word]
    if not words:
        return kind
    both = spell("_".join(words[-2:]))
    return both if len(words) > 1 and known_word(both, DEFAULT_ACTIONS) and _adds_to(words) else words[-1]


def _adds_to(words: list[str]) -> bool:
    """False where the last word says by itself what both say."""
    return known_word(words[-1], DEFAULT_ACTIONS) != known_word("_".join(words[-2:]), DEFAULT_ACTIONS)


def _events(
    record: SourceRecord, limits: Limits, attributes: Mapping[str, Any], data: Fields
) -> list[Event | Rejected]:
    version = attributes.get("specversion")
    if version != "1.0":
        raise Invalid(Reason.BAD_ENVELOPE, f"specversion is {str(version)[:20]!r}; only 1.0 is read")
    for name in ("id", "source", "type"):
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise Invalid(Reason.BAD_ENVELOPE, f"the attribute {name} is missing or no string")
    for name in ("id", "source", "type"):
        data.require_whole(name, attributes[name])
    fields = data.with_values(_merged(record, attributes, data))
    return build_all(record, limits, fields, fitting_id(f"{attributes['source']}#{attributes['id']}", limits))


def _merged(record: SourceRecord, attributes: Mapping[str, Any], data: Fields) -> dict[str, Any]:
    """Fields by their canonical names: the data's where it fills them, else the attributes', else the key's."""
    filled = {}
    for name, value in data.given.items():
        if value == "" and name in Event.__struct_fields__:
            data.forgiven.note(name, kinds.EMPTY)
        elif value is not None:
            filled[name] = value
    ordered = any(filled.get(name) for name in LISTS)
    merged = {
        "action": action_of(attributes["type"]),
        # Of an order of several products the subject is the order.
        "item_id": None if ordered else attributes.get("subject"),
        "user_id": None if "user_id" in filled else attributes.get("partitionkey") or _user_in_key(record),
        "timestamp": attributes.get("time"),
        **filled,
        "source": attributes["source"],
    }
    # What nobody sent is no null that is forgiven.
    return {name: value for name, value in merged.items() if value is not None}


def _user_in_key(record: SourceRecord) -> str | None:
    try:
        return (record.key or b"").decode() or None
    except UnicodeDecodeError as error:
        said = "user_id is missing: neither data nor partitionkey names a user, and the record's key is not UTF-8"
        raise Invalid(Reason.MISSING_USER, said) from error


def _is_binary(headers: Mapping[str, str], content_type: str) -> bool:
    return "ce_specversion" in headers and content_type not in (STRUCTURED, BATCHED)


def _require_utf8(record: SourceRecord) -> None:
    """Raises Invalid where an attribute that is read is no text: two ids must not become one."""
    for name, value in record.headers or ():
        if name.lower() in READ_HEADERS:
            try:
                (value or b"").decode()
            except UnicodeDecodeError as error:
                message = f"the header {name} is not UTF-8: CloudEvents writes attributes in UTF-8"
                raise Invalid(Reason.NOT_UTF8, message) from error


def _text_headers(record: SourceRecord) -> dict[str, str]:
    """Headers as text, names in lower case; of a repeated one the last counts, as in Kafka's own lastHeader."""
    return {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers or ()}


def _media_type(content_type: str) -> str:
    return content_type.split(";", 1)[0].strip().lower()


def from_settings(settings: Settings) -> CloudEventsAdapter:
    """CloudEvents; no setting changes how it is read."""
    return CloudEventsAdapter()
