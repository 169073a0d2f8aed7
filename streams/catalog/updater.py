"""The two directions of the catalog: item records -> what to encode, and embedding records -> item vectors."""

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
from streams.events.forgiven import Forgiven
from streams.events.isolation import each
from streams.events.provenance import UNKNOWN_REMOVAL
from streams.events.records import Record, SourceRecord
from streams.events.rejections import Limits, Rejected
from streams.flow.encoding import encode_contents, encode_isolating
from streams.interest.base import Floats
from streams.recommend import Catalog

log = logging.getLogger(__name__)
ENCODE_STAGE = "catalog.encode"
PARTLY = "-partly"
# Failures of media that are logged, at most: where each names another host, the log must not grow with the catalog.
MOST_LOGGED = 100


@dataclass(slots=True)
class Changes:
    """What a batch of item records asks for."""

    # To encode, with their fingerprints.
    items: list[tuple[Item, str]] = field(default_factory=list)
    # The records of these items, in their order.
    records: list[SourceRecord] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    # Of the removed items, those that were not in the catalog.
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
        """Number of records by outcome, once those that cannot be encoded are refused."""
        return {
            "encoded": len(self.items),
            "unchanged": self.unchanged,
            "replaced": self.replaced,
            "removed": len(self.removed) - len(self.unknown),
            "removed_unknown": len(self.unknown),
            "refused": len(self.rejected),
        }

    def headers(self) -> list[list[tuple[str, bytes]]] | None:
        """Headers of the embedding records, None where none has any: a removal of an unknown item says so."""
        if not self.unknown:
            return None
        removals = [[(UNKNOWN_REMOVAL, b"")] if one in self.unknown else [] for one in self.removed]
        return removals + [[] for _ in self.items]

    def refuse(self, items: Mapping[int, Rejected]) -> None:
        """Leave out items that cannot be encoded, by their index."""
        self.rejected += [(self.records[index], reason) for index, reason in items.items()]
        kept = [index for index in range(len(self.items)) if index not in items]
        self.items, self.records = [self.items[i] for i in kept], [self.records[i] for i in kept]


class CatalogUpdater:
    """Finds the items that changed, and keeps the catalog as the embeddings topic says."""

    def __init__(self, catalog: Catalog, encoder: Encoder, limits: Limits) -> None:
        self.catalog, self.limits = catalog, limits
        self.encoder, self.space, self.dim = encoder, identity(encoder), encoder.dim
        # Embeddings of another encoder or projection: of no use here, and counted.
        self.foreign = 0
        self.forgiven = Forgiven()
        # Fingerprint by item that was published last and has not been read back as an embedding; "" for a removal.
        self._asked: dict[str, str] = {}
        # Failures of media that were logged: medium and message.
        self._logged: set[tuple[str, str]] = set()
        # Whether the removal of an unknown item was logged.
        self._logged_unknown = False

    def changes(self, records: Sequence[SourceRecord]) -> Changes:
        """The newest record of each item, without what the catalog holds or was published last."""
        changes = Changes()
        newest, brought = self._newest(records, changes)
        for item_id, (item, record) in newest.items():
            if isinstance(item, Removed):
                if item_id not in brought and not self._knows(item_id):
                    self._log_unknown(item_id, record)
                    changes.unknown.add(item_id)
                self._asked[item_id] = ""
                changes.removed.append(item_id)
            elif (digest := self._new_fingerprint(item)) != self._fingerprint(item_id):
                self._asked[item_id] = digest
                changes.items.append((item, digest))
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
        """True for an item that was ever in the catalog: one that was removed may be removed once more."""
        return bool(self._asked.get(item_id)) or self.catalog.ever_had(item_id)

    def _log_unknown(self, item_id: str, record: SourceRecord) -> None:
        if self._logged_unknown:
            return
        self._logged_unknown = True
        log.warning(
            "%s-%d, offset %d removes item %r, which is not in the catalog: is the key its id? "
            "(logged once; interestflow_items_total counts)",
            record.topic,
            record.partition,
            record.offset,
            item_id,
        )

    def encode(self, changes: Changes, encoder: Encoder) -> Floats:
        """Vectors (n, dim) of the items to encode; refuses items that cannot be. Raises EverythingFailsError."""
        if isinstance(encoder, ContentEncoder):
            contents = [content_of(item, encoder) for item, _ in changes.items]
            vectors, refused, failed = encode_contents(encoder, contents, ENCODE_STAGE)
            self._leave_out(changes, failed)
        else:
            vectors, refused = encode_isolating(encoder, changes.texts(), ENCODE_STAGE)
        for index in refused:  # the same record, sent again, is tried again
            self._asked.pop(changes.items[index][0].item_id, None)
        changes.refuse(refused)
        return vectors

    def _leave_out(self, changes: Changes, failed: Mapping[int, Sequence[Failure]]) -> None:
        """Log media that could not be read; their items are encoded without them, which the fingerprint says."""
        for index, failures in failed.items():
            item, digest = changes.items[index]
            # No item has this fingerprint, so the same record, sent again, is encoded again.
            changes.items[index] = item, f"{digest}{PARTLY}"
            self._asked[item.item_id] = f"{digest}{PARTLY}"
            changes.media_failed += failures
            for failure in failures:
                self._log_failure(item, failure)

    def _log_failure(self, item: Item, failure: Failure) -> None:
        about = failure.medium, failure.message
        if about in self._logged or len(self._logged) == MOST_LOGGED:
            return
        self._logged.add(about)
        log.warning(
            "%s %s of item %r cannot be read: %s (logged once; interestflow_media_failed_total counts)",
            failure.medium,
            failure.name,
            item.item_id,
            failure.message,
        )

    def _new_fingerprint(self, item: Item) -> str:
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
                (item.item_id.encode(), encode_embedding(item, vector, self.space, digest))
                for (item, digest), vector in zip(changes.items, vectors, strict=True)
            ]
        return records

    def learn(self, messages: Sequence[Any]) -> list[str]:
        """Update the catalog with embedding records; returns the ids of the items that it holds now."""
        known = []
        for message in messages:
            try:
                embedding = decode_embedding(message.key(), message.value())
                digest = "" if isinstance(embedding, Removed) else embedding.fingerprint
                if self._asked.get(embedding.item_id) == digest:
                    del self._asked[embedding.item_id]
                if isinstance(embedding, Removed):
                    self.catalog.remove(embedding.item_id)
                elif embedding.encoder != self.space or embedding.dim != self.dim:
                    self.foreign += 1
                else:
                    self.catalog.put(
                        embedding.item_id,
                        embedding.array(),
                        embedding.withheld,
                        embedding.fingerprint,
                        embedding.title,
                        embedding.attributes,
                    )
                    known.append(embedding.item_id)
            except ValueError as error:
                log.warning("skipped a record of the embeddings topic: %s", error)
        return known
