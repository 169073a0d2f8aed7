"""The bytes of what is published: interest vectors and recommendations."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from streams.interest.base import Floats, Interests, Longs

# Fields of an output by which a consumer tells the newer of two; see Writer.vectors.
ORDER = ("generation", "count", "term", "offset", "version")


class Writer:
    """Renders records of one model and generation."""

    def __init__(self, model: str, generation: int, vector_format: str) -> None:
        """vector_format: `base64` (little-endian float32) or `array`."""
        self.model, self.generation = model, generation
        self._vectors: Callable[[Floats], list[Any]] = _arrays if vector_format == "array" else _base64

    def vectors(
        self,
        partition: int,
        users: Sequence[str],
        states: Any,
        counts: Longs,
        as_of: Longs,
        interests: Interests,
    ) -> list[tuple[bytes, bytes]]:
        """One (key, value) per user; of two a consumer keeps the one that is higher by ORDER.

        counts: (n,) events that made each vector; it comes before the offset, for an event that waited for its
        item is older than others that were in the vector before. The term is that of the state's last change, and
        comes before the offset, too: of two workers that applied the same events in another order, or read them in
        other batches, the one that replaced the other counts. as_of: (n,) event time of the newest, ms.

        A record has `vector` where the model has one vector per user, `vectors` and their `shares` where it has
        several.
        """
        dim, dumps = interests.vectors.shape[2], orjson.dumps
        heads = self._heads(partition, users, states, counts, as_of)
        rendered = self._rendered(interests)
        return [
            (user.encode(), dumps({**head, "dim": dim, **vectors}))
            for user, head, vectors in zip(users, heads, rendered, strict=True)
        ]

    def recommendations(
        self,
        partition: int,
        users: Sequence[str],
        states: Any,
        counts: Longs,
        as_of: Longs,
        items: Sequence[str],
    ) -> list[tuple[bytes, bytes]]:
        """One (key, value) per user, ordered like vectors; items: what `rendering.ranked_items` gave.

        The id is the same whenever the same state is recommended again.
        """
        records, heads = [], self._heads(partition, users, states, counts, as_of)
        for user, head, ranked in zip(users, heads, items, strict=True):
            number = f"{self.generation}-{partition}-{head['offset']}-{head['version']}-{user}"
            named = {"user_id": user, "recommendation_id": number}
            records.append((user.encode(), orjson.dumps({**named, **head, "items": orjson.Fragment(ranked)})))
        return records

    def _heads(
        self, partition: int, users: Sequence[str], states: Any, counts: Longs, as_of: Longs
    ) -> Iterator[dict[str, Any]]:
        """What each record says of its user and of the state that it was made from."""
        model, generation = self.model, self.generation
        offsets, terms = states["offset"].tolist(), states["epoch"].tolist()
        versions = (states["applied"] + 1).tolist()
        columns = zip(users, offsets, versions, terms, counts.tolist(), as_of.tolist(), strict=True)
        for user, offset, version, epoch, count, time in columns:
            yield {
                "user_id": user,
                "model": model,
                "generation": generation,
                "partition": partition,
                "offset": offset,
                "version": version,
                "term": epoch,
                "count": count,
                "as_of": time,
            }

    def _rendered(self, interests: Interests) -> list[dict[str, Any]]:
        """What each record says of its user's vectors."""
        users, number, dim = interests.vectors.shape
        rows = self._vectors(interests.vectors.reshape(-1, dim))
        if number == 1:
            return [{"vector": row} for row in rows]
        shares = interests.shares.tolist()
        return [
            {"vectors": rows[user * number : (user + 1) * number], "shares": shares[user]}
            for user in range(users)
        ]


def _base64(vectors: Floats) -> list[Any]:
    payload, size = np.ascontiguousarray(vectors, dtype="<f4").tobytes(), vectors.shape[1] * 4
    return [
        b2a_base64(payload[start : start + size], newline=False).decode("ascii")
        for start in range(0, len(payload), size)
    ]


def _arrays(vectors: Floats) -> list[Any]:
    arrays: list[Any] = vectors.tolist()
    return arrays
