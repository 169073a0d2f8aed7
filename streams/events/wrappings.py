"""What stands around a JSON object, or in its place: taken off where that is safe, else named with what to do.

Only asked of a value that is no JSON as it stands, so that a right one costs nothing.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any, NamedTuple

import msgspec

from streams.events import forgiven as kinds
from streams.events.fields import Invalid
from streams.events.rejections import Reason, json_problem

BOM = b"\xef\xbb\xbf"
# Bytes of the schema id behind the magic byte 0: Confluent's and, of other registries, 8.
ID_LENGTHS = (4, 8)
COMPRESSED = "begins like {}: send it uncompressed, and set the producer's own compression.type"
MAGIC: tuple[tuple[bytes, str], ...] = (
    (
        b"\x1f\x8b",
        "begins like gzip: send it uncompressed, and set the producer's own compression.type instead",
    ),
    (b"\x28\xb5\x2f\xfd", COMPRESSED.format("zstd")),
    (b"\x04\x22\x4d\x18", COMPRESSED.format("lz4")),
    (b"\xff\x06\x00\x00sNaPpY", COMPRESSED.format("snappy")),
    (b"\x82SNAPPY\x00", COMPRESSED.format("snappy")),
    (b"PK\x03\x04", "begins like a zip archive: send JSON"),
    (b"Obj\x01", "begins like an Avro file: send JSON"),
    (b"\xac\xed\x00\x05", "begins like a serialised Java object: send JSON"),
    (b"\xff\xfe", "begins like UTF-16: send UTF-8"),
    (b"\xfe\xff", "begins like UTF-16: send UTF-8"),
)
# Where the first bytes leave a choice. A map of MessagePack or CBOR begins with its length and the type of its first
# key; no UTF-8 text begins with such a byte.
SHAPES: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\x78[\x01\x5e\x9c\xda]", re.DOTALL), COMPRESSED.format("zlib")),
    (
        re.compile(rb"\x03[\x00\x05].{16}", re.DOTALL),
        "begins like the framing of AWS Glue's schema registry (bytes 3 and 0 or 5, then a schema version): "
        "have the producer write plain JSON",
    ),
    (
        re.compile(rb"\x01.{16}", re.DOTALL),
        "begins like Confluent's framing with a schema GUID (a byte 1, then 16 bytes): have the producer write plain "
        "JSON, or the GUID into a header",
    ),
    (
        re.compile(rb"[\x80-\x8f][\xa0-\xbf\xd9]|\xde..[\xa0-\xbf\xd9]", re.DOTALL),
        "begins like MessagePack: send JSON",
    ),
    (re.compile(rb"[\xa1-\xb7\xbf][\x60-\x78]|\xb8.[\x60-\x78]", re.DOTALL), "begins like CBOR: send JSON"),
    (re.compile(rb"\s*<[?!A-Za-z]"), "begins like XML: send JSON"),
)
# An escape of JSON; so that a backslash that is itself escaped is no beginning of one.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

_decode_any = msgspec.json.Decoder().decode
_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Loaded(NamedTuple):
    """JSON: an object, unless any type was asked for.

    wrapped: the kinds of what was taken off. damaged: half characters were replaced.
    """

    fields: Any
    wrapped: tuple[str, ...] = ()
    damaged: bool = False


def load(value: bytes) -> Loaded:
    """The JSON object in a value. Raises Invalid."""
    loaded = load_any(value)
    if isinstance(loaded.fields, dict):
        return loaded
    raise Invalid(Reason.NOT_AN_OBJECT, _no_object(loaded.fields))


def load_any(value: bytes) -> Loaded:
    """The JSON in a value, whatever its type. Raises Invalid."""
    try:
        return Loaded(_decode_any(value))
    except _ERRORS as error:
        return _load_wrapped(value, error)


def _load_wrapped(value: bytes, error: Exception) -> Loaded:
    inner, wrapped = value, []
    if value[:1] == b"\0":
        inner = _behind_schema_id(value)
        wrapped.append(kinds.SCHEMA_REGISTRY)
    if inner.startswith(BOM):
        inner = inner[len(BOM) :]
        wrapped.append(kinds.BYTE_ORDER_MARK)
    whole = whole_characters(inner)
    for candidate in dict.fromkeys((inner, whole)):
        try:
            found = _decode_any(candidate)
        except _ERRORS as again:
            error = again if candidate is inner else error
            continue
        damaged = candidate != inner
        return Loaded(found, (*wrapped, kinds.HALF_CHARACTER) if damaged else tuple(wrapped), damaged)
    raise _named(value, inner, error)


def _behind_schema_id(value: bytes) -> bytes:
    for length in ID_LENGTHS:
        if value[1 + length :].lstrip(b" \t\r\n").startswith((b"{", BOM)):
            return value[1 + length :]
    number = int.from_bytes(value[1:5], "big")
    raise Invalid(
        Reason.FOREIGN_FORMAT,
        f"the value begins like a schema registry's framing (a byte 0, then schema id {number}) and no JSON object "
        f"follows, as with Avro and Protobuf: have the producer write JSON, or convert the topic",
    )


def _named(value: bytes, inner: bytes, error: Exception) -> Invalid:
    """Why a value is no JSON, by what its first bytes show."""
    for magic, said in MAGIC:
        if value.startswith(magic):
            reason = Reason.NOT_UTF8 if "UTF-8" in said else Reason.FOREIGN_FORMAT
            return Invalid(reason, f"the value {said}")
    for shape, said in SHAPES:
        if shape.match(inner):
            return Invalid(Reason.FOREIGN_FORMAT, f"the value {said}")
    if _is_base64_of_object(value):
        return Invalid(Reason.FOREIGN_FORMAT, "the value is base64 of a JSON object: send the object itself")
    problem = json_problem(error, inner, "")
    return Invalid(problem.reason, problem.message)


def _no_object(found: Any) -> str:
    if isinstance(found, list):
        return "the value is a JSON array: send one record per object in it"
    if isinstance(found, str):
        if found.lstrip().startswith("{"):
            return (
                "the value is a JSON string that holds a JSON object (encoded twice): send the object itself"
            )
        if _is_base64_of_object(found.encode("utf-8", "replace")):
            return "the value is a JSON string that holds base64 of a JSON object: send the object itself"
    return "the value is JSON, but not an object"


def _is_base64_of_object(value: bytes) -> bool:
    start = value.strip()[:64]
    try:
        return a2b_base64(start[: len(start) // 4 * 4], strict_mode=True).lstrip().startswith(b"{")
    except (Base64Error, ValueError):
        return False


def whole_characters(value: bytes) -> bytes:
    """The same JSON with U+FFFD for each lone surrogate, escaped or as bytes; halves that are a pair are joined."""
    if b"\\u" in value:
        value = _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], value)
    try:
        value.decode()
    except UnicodeDecodeError:
        try:
            text = value.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return value
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
    return value
