"""Catalog items and their embeddings: bytes <-> objects."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from hashlib import blake2b
from typing import Protocol

import msgspec
import numpy as np
import orjson

from encoders.core.base import Encoder
from encoders.media.content import Content, ContentEncoder
from streams.catalog.forgiving import read_fields
from streams.events.canonical import id_problem
from streams.events.fields import Invalid
from streams.events.forgiven import Forgiven
from streams.events.rejections import Limits, Reason, Rejected, envelope_problem
from streams.interest.base import Floats
from streams.recommend.attributes import CATEGORIES

STAGE = "catalog.decode"
# Values of an item's attributes and categories that its embedding record holds, and characters of each, or of a name.
MOST_LABELS, LONGEST_LABEL = 64, 256


class KeyedRecord(Protocol):
    """The fields of a Kafka record that are read here."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Item(msgspec.Struct, frozen=True):
    """One item of `catalog.items.v1`; a null value removes the item of that key."""

    item_id: str
    title: str = ""
    description: str = ""
    categories: list[str] = []
    media: list[str] = []
    hidden: bool = False
    blocked: bool = False
    in_stock: bool = True
    # As `{"author": "Jane", "market": ["de", "at"]}`; not encoded.
    attributes: dict[str, str | list[str]] = {}

    def text(self) -> str:
        """What the encoder reads of the item."""
        parts = (self.title, ", ".join(self.categories), self.description)
        return ". ".join(part.strip() for part in parts if part.strip())

    @property
    def withheld(self) -> bool:
        """True where it must not be recommended."""
        return self.hidden or self.blocked or not self.in_stock

    def labels(self) -> dict[str, list[str]]:
        """Its categories and attributes, each a list: MOST_LABELS values in all, without too long ones."""
        found: dict[str, list[str]] = {}
        given = {**self.attributes, CATEGORIES: self.categories}
        pairs = [
            (name, one) for name, own in given.items() for one in ([own] if isinstance(own, str) else own)
        ]
        fitting = [pair for pair in pairs if max(map(len, pair)) <= LONGEST_LABEL]
        for name, value in fitting[:MOST_LABELS]:
            found.setdefault(name, []).append(value)
        return found


class Removed(msgspec.Struct, frozen=True):
    """A tombstone."""

    item_id: str


class Embedding(msgspec.Struct, frozen=True):
    """One record of `catalog.embeddings.v1`."""

    item_id: str
    # (dim,) little-endian float32 as base64.
    vector: str
    dim: int
    # Identity of the vector space.
    encoder: str
    hidden: bool = False
    # Of what was encoded: shows whether an item changed.
    fingerprint: str = ""
    # The item's, since workers read no other record of it; empty in records of earlier versions.
    title: str = ""
    blocked: bool = False
    in_stock: bool = True
    # What `Item.labels` gives.
    attributes: dict[str, list[str]] = {}

    @property
    def withheld(self) -> bool:
        """True where the item must not be recommended."""
        return self.hidden or self.blocked or not self.in_stock

    def array(self) -> Floats:
        """(dim,) float32. Raises ValueError where the bytes do not fit `dim`."""
        values = np.frombuffer(a2b_base64(self.vector), dtype="<f4")
        if len(values) != self.dim:
            raise ValueError(f"embedding of {self.item_id!r} has {len(values)} values, not {self.dim}")
        # Unit rows are expected; a vector whose square is not finite would spoil an interest.
        with np.errstate(over="ignore", invalid="ignore"):
            squares = values @ values
        if not np.isfinite(squares):
            raise ValueError(f"embedding of {self.item_id!r} is not finite, or far too long")
        return values


_decode_item = msgspec.json.Decoder(Item).decode
_decode_embedding = msgspec.json.Decoder(Embedding).decode


def decode_item(
    record: KeyedRecord, limits: Limits, forgiven: Forgiven | None = None
) -> Item | Removed | Rejected:
    """An item record; the id is the value's `item_id`, and a key that is present must agree with it.

    forgiven: counts deviations from the documented form.
    """
    key = (record.key or b"").decode(errors="replace")
    if record.value is None:
        return Removed(key) if key else Rejected(Reason.EMPTY_ID, "a removal needs the item id as key", STAGE)
    if (problem := envelope_problem(record.value, limits, STAGE)) is not None:
        return problem
    try:
        item = _decode_item(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            item = Item(**read_fields(record.value, forgiven or Forgiven()))
        except Invalid as invalid:
            return invalid.rejected(STAGE)
    # As strict as an event's item_id: an item that no event can name is a mistake.
    if (problem := id_problem("item_id", item.item_id, limits, STAGE)) is not None:
        return problem
    # The embedding's record holds it.
    if len(item.title) > limits.max_text_length:
        message = f"title is longer than {limits.max_text_length} characters (INTERESTFLOW_LIMIT_TEXT_LENGTH)"
        return Rejected(Reason.TEXT_TOO_LONG, message, STAGE)
    if key and key != item.item_id:
        return Rejected(Reason.WRONG_TYPE, "the key and item_id differ; key the record by item_id", STAGE)
    return item


def content_of(item: Item, encoder: Encoder) -> Content:
    """What the encoder reads of the item: its text, and the media that it can read."""
    if not isinstance(encoder, ContentEncoder):
        return Content(item.text())
    return Content(item.text(), tuple(sorted({one for one in item.media if encoder.reads(one)})))


def fingerprint(item: Item, encoder: str, content: Content | None = None) -> str:
    """Short hash of all that decides the item's embedding record. content: the item's text alone by default."""
    content = content or Content(item.text())
    media = [one for one in content.media if isinstance(one, str)]
    digest = blake2b(digest_size=12)
    for part in (encoder, content.text, item.title, "hidden" if item.hidden else "shown", *media):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    if more := _more(item):
        digest.update(orjson.dumps(more))
    return digest.hexdigest()


def _more(item: Item) -> dict[str, object]:
    """What the embedding's record says only of some items; so the records of others stay as they were."""
    found: dict[str, object] = {"attributes": item.labels()} if item.categories or item.attributes else {}
    if item.blocked:
        found["blocked"] = True
    if not item.in_stock:
        found["in_stock"] = False
    return found


def encode_embedding(item: Item, vector: Floats, encoder: str, digest: str) -> bytes:
    """The record's value; its key is the item id. encoder, digest: the vector space and the fingerprint."""
    payload = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    return orjson.dumps(
        {
            "item_id": item.item_id,
            "vector": b2a_base64(payload, newline=False).decode("ascii"),
            "dim": len(vector),
            "encoder": encoder,
            "hidden": item.hidden,
            "fingerprint": digest,
            "title": item.title,
            **_more(item),
        }
    )


def decode_embedding(key: bytes | None, value: bytes | None) -> Embedding | Removed:
    """Raises ValueError on a record that is no embedding."""
    if value is None:
        return Removed((key or b"").decode(errors="replace"))
    try:
        return _decode_embedding(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an embedding record: {error}"[:200]) from error
