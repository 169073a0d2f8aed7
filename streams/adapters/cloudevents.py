"""CloudEvents 1.0 over Kafka, binary and structured mode.

Source: CloudEvents 1.0.2 and its Kafka protocol binding. The pair of `source` and `id` is unique, so it makes
the event id. From the attributes come the action (the last segment of `type`), the item (`subject`), the
user (`partitionkey`) and the time, each unless the data has it.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from hashlib import blake2b
from typing import Any

from streams.adapters.base import STAGE, Invalid, build, load_object
from streams.events import Event, Limits, Reason, Rejected, SourceRecord, envelope_problem

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
JSON_TYPES = ("", "application/json", "text/json")


class CloudEventsAdapter:
    """Format `cloudevents`."""

    name = "cloudevents"

    def parse(self, record: SourceRecord, limits: Limits) -> Event | Rejected:
        """See the module."""
        if (problem := envelope_problem(record.value, limits, STAGE)) is not None:
            return problem
        try:
            attributes, data = _open(record, limits)
            return _event(record, limits, attributes, data)
        except Invalid as invalid:
            return invalid.rejected


def _open(record: SourceRecord, limits: Limits) -> tuple[dict[str, Any], dict[str, Any]]:
    """The envelope's attributes and the data, in either mode."""
    headers = _text_headers(record)
    content_type = _media_type(headers.get("content-type", ""))
    if content_type == BATCHED:
        raise Invalid(Reason.UNSUPPORTED_CONTENT_TYPE, "batched mode is not read: send one event per record")
    value = record.value or b""
    if "ce_specversion" in headers and content_type != STRUCTURED:
        if content_type not in JSON_TYPES and not content_type.endswith("+json"):
            raise Invalid(Reason.UNSUPPORTED_CONTENT_TYPE, f"data is {content_type[:60]}, not JSON")
        attributes = {name.removeprefix("ce_"): v for name, v in headers.items() if name.startswith("ce_")}
        return attributes, load_object(value)
    envelope = load_object(value)
    return envelope, _structured_data(envelope, limits)


def _structured_data(envelope: dict[str, Any], limits: Limits) -> dict[str, Any]:
    if "data_base64" in envelope:
        try:
            data = a2b_base64(str(envelope["data_base64"]), strict_mode=True)
        except (Base64Error, ValueError) as error:
            raise Invalid(Reason.BAD_ENVELOPE, "data_base64 is not base64") from error
        if (problem := envelope_problem(data, limits, STAGE)) is not None:
            raise Invalid(problem.reason, problem.message)
        return load_object(data)
    found = envelope.get("data", {})
    if found is None or found == {}:
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
    fields = dict(data)
    fields.setdefault("action", attributes["type"].rsplit(".", 1)[-1])
    fields["source"] = attributes["source"]
    for name, attribute in (("item_id", "subject"), ("user_id", "partitionkey"), ("timestamp", "time")):
        if fields.get(name) is None and attributes.get(attribute) is not None:
            fields[name] = attributes[attribute]
    return build(record, limits, fields, _event_id(attributes, limits))


def _event_id(attributes: dict[str, Any], limits: Limits) -> str:
    joined = f"{attributes['source']}#{attributes['id']}"
    if len(joined) <= limits.max_id_length:
        return joined
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _text_headers(record: SourceRecord) -> dict[str, str]:
    """Headers as text, names in lower case; of a repeated one the last counts, as in Kafka's own lastHeader."""
    return {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers or ()}


def _media_type(content_type: str) -> str:
    return content_type.split(";", 1)[0].strip().lower()
