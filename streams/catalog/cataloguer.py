"""The catalogue's two ways: item records -> what to encode, and embedding records -> item vectors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from encoders.core.base import Encoder, identity
from encoders.media.content import ContentEncoder, Failure
from streams.catalog.items import (
    STAGE,
    Item,
    Removed,
    content_of,
    decode_embedding,
    decode_item,
    encode_embedding,
    fingerprint,
)
from streams.events.canonical import Limits, Rejected, SourceRecord
from streams.events.forgiven import Forgiven
from streams.events.isolation import each
from streams.events.provenance import UNKNOWN_REMOVAL
from streams.events.records import Record
from streams.flow.encoding import encode_contents, encode_isolating
from streams.interest.base import Floats
from streams.recommend import Catalog

log = logging.getLogger(__name__)
ENCODE_STAGE = "catalog.encode"
PARTLY = "-partly"
# Different reasons why media cannot be read: a log that names a host in each must not grow with the catalogue.
MOST_TOLD = 100


@dataclass(slots=True)
class Changes:
    """What a batch of item records asks for. items: to encode, with their fingerprints."""

    items: list[tuple[Item, str]] = field(default_factory=list)
    # Of these items, in their order.
    records: list[SourceRecord] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    # Of these, those that nobody knew.
    unknown: set[str] = field(default_factory=set)
    unchanged: int = 0
    # Records that a newer one of the same item in the batch made superfluous.
    replaced: int = 0
    rejected: list[tuple[SourceRecord, Rejected]] = field(default_factory=list)
    # Media that were left out, of items that were encoded and of others.
    media_failed: list[Failure] = field(default_factory=list)

    def texts(self) -> list[str]:
        """Texts of the items to encode, in their order."""
        return [item.text() for item, _ in self.items]

    def outcomes(self) -> dict[str, int]:
        """How many records there were of each kind, once those that cannot be encoded are refused."""
        return {
            "encoded": len(self.items),
            "unchanged": self.unchanged,
            "replaced": self.replaced,
            "removed": len(self.removed) - len(self.unknown),
            "removed_unknown": len(self.unknown),
            "refused": len(self.rejected),
        }

    def headers(self) -> list[list[tuple[str, bytes]]] | None:
        """Of the embedding records, where any has one: a removal says that it removed nothing that was known."""
        if not self.unknown:
            return None
        removals = [[(UNKNOWN_REMOVAL, b"")] if one in self.unknown else [] for one in self.removed]
        return removals + [[] for _ in self.items]

    def refuse(self, items: Mapping[int, Rejected]) -> None:
        """Leave out items that cannot be encoded, by their index."""
        self.rejected += [(self.records[index], reason) for index, reason in items.items()]
        kept = [index for index in range(len(self.items)) if index not in items]
        self.items, self.records = [self.items[i] for i in kept], [self.records[i] for i in kept]


class Cataloguer:
    """Knows which items changed, and keeps the catalogue as the embeddings topic says."""

    def __init__(self, catalog: Catalog, encoder: Encoder, limits: Limits) -> None:
        self.catalog, self.limits = catalog, limits
        self.encoder, self.space, self.dim = encoder, identity(encoder), encoder.dim
        # Embeddings of another encoder or projection: of no use here, and counted.
        self.foreign = 0
        self.forgiven = Forgiven()
        # Fingerprint by item of what was asked for last and has not come back as an embedding yet; "" is removed.
        self._asked: dict[str, str] = {}
        # Why media could not be read, as far as the log has told it: medium and message.
        self._told: set[tuple[str, str]] = set()
        # Items that were to be removed and that nobody knew, likewise.
        self._told_unknown: set[str] = set()

    def changes(self, records: Sequence[SourceRecord]) -> Changes:
        """The newest record of each item, less what the catalogue holds already or was asked for last."""
        changes = Changes()
        newest, brought = self._newest(records, changes)
        for item_id, (item, record) in newest.items():
            if isinstance(item, Removed):
                if item_id not in brought and not self._knows(item_id):
                    self._tell_unknown(item_id, record)
                    changes.unknown.add(item_id)
                self._asked[item_id] = ""
                changes.removed.append(item_id)
            elif (mark := self._mark(item)) != self._fingerprint(item_id):
                self._asked[item_id] = mark
                changes.items.append((item, mark))
                changes.records.append(record)
            else:
                changes.unchanged += 1
        return changes

    def _newest(
        self, records: Sequence[SourceRecord], changes: Changes
    ) -> tuple[dict[str, tuple[Item | Removed, SourceRecord]], set[str]]:
        """The newest record of each item, and the ids of the items that the batch brings."""
        newest: dict[str, tuple[Item | Removed, SourceRecord]] = {}
        brought: set[str] = set()
        for record, item in zip(records, self._decode(records), strict=True):
            if isinstance(item, Rejected):
                changes.rejected.append((record, item))
                continue
            changes.replaced += newest.pop(item.item_id, None) is not None
            newest[item.item_id] = item, record
            if isinstance(item, Item):
                brought.add(item.item_id)
        return newest, brought

    def _knows(self, item_id: str) -> bool:
        """False for an item that nobody has brought; one that was removed before may be removed once more."""
        return bool(self._asked.get(item_id)) or self.catalog.ever_had(item_id)

    def _tell_unknown(self, item_id: str, record: SourceRecord) -> None:
        if item_id in self._told_unknown or len(self._told_unknown) == MOST_TOLD:
            return
        self._told_unknown.add(item_id)
        log.warning(
            "%s-%d, offset %d removes item %r, which is not in the catalogue: is the key its id? "
            "(told once; interestflow_items_total counts)",
            record.topic,
            record.partition,
            record.offset,
            item_id,
        )

    def encode(self, changes: Changes, encoder: Encoder) -> Floats:
        """Vectors (n, dim) of the items to encode; those that cannot be are refused. Raises EverythingFailsError."""
        if isinstance(encoder, ContentEncoder):
            contents = [content_of(item, encoder) for item, _ in changes.items]
            vectors, refused, failed = encode_contents(encoder, contents, ENCODE_STAGE)
            self._leave_out(changes, failed)
        else:
            vectors, refused = encode_isolating(encoder, changes.texts(), ENCODE_STAGE)
        for index in refused:  # the same record, sent again, is worth another try
            self._asked.pop(changes.items[index][0].item_id, None)
        changes.refuse(refused)
        return vectors

    def _leave_out(self, changes: Changes, failed: Mapping[int, Sequence[Failure]]) -> None:
        """Tell of media that could not be read, and mark their items, which are encoded by what is left."""
        for index, failures in failed.items():
            item, mark = changes.items[index]
            # Of a mark that no item has: the same record, sent again, is worth another try.
            changes.items[index] = item, f"{mark}{PARTLY}"
            self._asked[item.item_id] = f"{mark}{PARTLY}"
            changes.media_failed += failures
            for failure in failures:
                self._tell(item, failure)

    def _tell(self, item: Item, failure: Failure) -> None:
        about = failure.medium, failure.message
        if about in self._told or len(self._told) == MOST_TOLD:
            return
        self._told.add(about)
        log.warning(
            "%s %s of item %r cannot be read: %s (told once; interestflow_media_failed_total counts)",
            failure.medium,
            failure.name,
            item.item_id,
            failure.message,
        )

    def _mark(self, item: Item) -> str:
        return fingerprint(item, self.space, content_of(item, self.encoder))

    def _decode(self, records: Sequence[SourceRecord]) -> Sequence[Item | Removed | Rejected]:
        good = Record("", 0, 0, None, None, b'{"item_id": "known-good"}', ())

        def decode(record: SourceRecord) -> Item | Removed | Rejected:
            return decode_item(record, self.limits, self.forgiven)

        return each(records, decode, STAGE, probe=lambda: decode(good))

    def _fingerprint(self, item_id: str) -> str:
        return self._asked.get(item_id, self.catalog.fingerprint(item_id))

    def records(self, changes: Changes, vectors: Floats | None) -> list[tuple[bytes, bytes | None]]:
        """Embedding records (key, value) for the changes; vectors (n, dim) in their order."""
        records: list[tuple[bytes, bytes | None]] = [(item_id.encode(), None) for item_id in changes.removed]
        if vectors is not None:
            records += [
                (item.item_id.encode(), encode_embedding(item, vector, self.space, mark))
                for (item, mark), vector in zip(changes.items, vectors, strict=True)
            ]
        return records

    def learn(self, messages: Sequence[Any]) -> list[str]:
        """Bring the catalogue up to these embedding records; returns the ids of the items known now."""
        known = []
        for message in messages:
            try:
                embedding = decode_embedding(message.key(), message.value())
                mark = "" if isinstance(embedding, Removed) else embedding.fingerprint
                if self._asked.get(embedding.item_id) == mark:
                    del self._asked[embedding.item_id]
                if isinstance(embedding, Removed):
                    self.catalog.remove(embedding.item_id)
                elif embedding.encoder != self.space or embedding.dim != self.dim:
                    self.foreign += 1
                else:
                    self.catalog.put(
                        embedding.item_id,
                        embedding.array(),
                        embedding.hidden,
                        embedding.fingerprint,
                        embedding.title,
                    )
                    known.append(embedding.item_id)
            except ValueError as error:
                log.warning("skipped a record of the embeddings topic: %s", error)
        return known
