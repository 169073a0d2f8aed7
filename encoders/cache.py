"""Vectors by content hash: items repeat all the time, and a repeated text costs a look-up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from encoders.base import Encoder, Vectors, identity


class CachedEncoder:
    """An encoder with a bounded, least-recently-used memory. One thread encodes; any may read the counts."""

    def __init__(self, inner: Encoder, max_items: int = 100_000) -> None:
        """max_items: vectors kept, 4 * dim bytes each, plus about 150 bytes of key."""
        if max_items < 1:
            raise ValueError("a cache needs room for at least one vector")
        self.inner, self.max_items = inner, max_items
        self.id, self.revision, self.dim = inner.id, inner.revision, inner.dim
        self.hits = self.misses = 0
        # The space is part of the key, so that a cache can never serve a vector of another one.
        self._space = identity(inner).encode()
        self._rows: OrderedDict[bytes, int] = OrderedDict()
        self._vectors = np.zeros((0, inner.dim), dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder; each distinct text is encoded once, and comes back bit for bit."""
        keys = [self._key(text) for text in texts]
        new: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            if key not in self._rows:
                new.setdefault(key, text)
        fresh = dict(zip(new, self.inner.encode(list(new.values())), strict=True)) if new else {}
        self.misses += len(new)
        self.hits += len(texts) - len(new)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, key in enumerate(keys):
            if key in fresh:
                vectors[row] = fresh[key]
            else:
                vectors[row] = self._vectors[self._rows[key]]
                self._rows.move_to_end(key)
        for key, vector in fresh.items():
            if np.isfinite(vector).all():  # what went wrong once is asked again
                self._keep(key, vector)
        return vectors

    def counts(self) -> dict[str, dict[str, int]]:
        """Texts that were there, and that were not (see base.counts)."""
        return {"cache": {"hit": self.hits, "miss": self.misses}}

    def __len__(self) -> int:
        return len(self._rows)

    def _key(self, text: str) -> bytes:
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._space[:64]).digest()

    def _keep(self, key: bytes, vector: Vectors) -> None:
        if len(self._rows) >= self.max_items:
            _, row = self._rows.popitem(last=False)
        else:
            row = len(self._rows)
            if row >= len(self._vectors):
                size = min(self.max_items, max(1024, 2 * len(self._vectors)))
                grown = np.zeros((size, self.dim), dtype=np.float32)
                grown[: len(self._vectors)] = self._vectors
                self._vectors = grown
        self._vectors[row] = vector
        self._rows[key] = row
