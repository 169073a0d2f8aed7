"""CloudEvents 1.0 over Kafka, binary and structured mode.

Source: CloudEvents 1.0.2 and its Kafka protocol binding. The pair of `source` and `id` is unique, so it makes
the event id. From the attributes come the action (the last segment of `type`), the item (`subject`), the
user (`partitionkey`) and the time, each unless the data has it.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any

from streams.adapters.base import STAGE, Invalid, build, load_object
from streams.events import Event, SourceRecord, fitting_id
from streams.rejections import Limits, Reason, Rejected, envelope_problem

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
JSON_TYPES = ("", "application/json", "text/json")


class CloudEventsAdapter:
    """Format `cloudevents`."""

    name = "cloudevents"
    example = (
        b'{"specversion": "1.0", "id": "1", "source": "s", "type": "click", "subject": "i", "partitionkey": "u",'
        b' "time": "2024-05-01T10:00:00Z"}'
    )

    def parse(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """See the module."""
        if (problem := envelope_problem(record.value, limits, STAGE)) is not None:
            return [problem]
        try:
            attributes, data = _open(record, limits)
            return [_event(record, limits, attributes, data)]
        except Invalid as invalid:
            return [invalid.rejected]


def _open(record: SourceRecord, limits: Limits) -> tuple[dict[str, Any], dict[str, Any]]:
    """The envelope's attributes and the data, in either mode."""
    headers = _text_headers(record)
    content_type = _media_type(headers.get("content-type", ""))
    if content_type == BATCHED:
        raise Invalid(Reason.UNSUPPORTED_CONTENT_TYPE, "batched mode is not read: send one event per record")
    if content_type.startswith("application/cloudevents") and content_type != STRUCTURED:
        raise Invalid(Reason.UNSUPPORTED_CONTENT_TYPE, f"{content_type[:60]} is not read: send {STRUCTURED}")
    value = record.value or b""
    if "ce_specversion" in headers and content_type != STRUCTURED:
        if content_type not in JSON_TYPES and not content_type.endswith("+json"):
            raise Invalid(Reason.UNSUPPORTED_CONTENT_TYPE, f"data is {content_type[:60]}, not JSON")
        attributes = {name.removeprefix("ce_"): v for name, v in headers.items() if name.startswith("ce_")}
        return attributes, load_object(value)
    envelope = load_object(value)
    return envelope, _structured_data(envelope, limits)


def _structured_data(envelope: dict[str, Any], limits: Limits) -> dict[str, Any]:
    encoded = envelope.get("data_base64")
    if encoded is not None:
        try:
            data = a2b_base64(encoded, strict_mode=True)
        except (Base64Error, ValueError, TypeError) as error:
            raise Invalid(Reason.BAD_ENVELOPE, "data_base64 is not base64") from error
        if (problem := envelope_problem(data, limits, STAGE)) is not None:
            raise Invalid(problem.reason, problem.message)
        return load_object(data)
    found = envelope.get("data")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Invalid(Reason.BAD_ENVELOPE, "data is not a JSON object")
    return found


def _event(
    record: SourceRecord, limits: Limits, attributes: dict[str, Any], data: dict[str, Any]
) -> Event | Rejected:
    version = attributes.get("specversion")
    if version != "1.0":
        raise Invalid(Reason.BAD_ENVELOPE, f"specversion is {str(version)[:20]!r}; only 1.0 is read")
    for name in ("id", "source", "type"):
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise Invalid(Reason.BAD_ENVELOPE, f"the attribute {name} is missing or no string")
    filled = {name: value for name, value in data.items() if value is not None}
    fields = {
        "action": attributes["type"].rpartition(".")[2],
        "item_id": attributes.get("subject"),
        "user_id": attributes.get("partitionkey"),
        "timestamp": attributes.get("time"),
        **filled,
        "source": attributes["source"],
    }
    event_id = fitting_id(f"{attributes['source']}#{attributes['id']}", limits)
    return build(record, limits, fields, event_id)


def _text_headers(record: SourceRecord) -> dict[str, str]:
    """Headers as text, names in lower case; of a repeated one the last counts, as in Kafka's own lastHeader."""
    return {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers or ()}


def _media_type(content_type: str) -> str:
    return content_type.split(";", 1)[0].strip().lower()
