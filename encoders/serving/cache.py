"""Vectors by content hash: items repeat all the time, and a repeated text costs a look-up.

In memory, one float32 matrix and a dict from key to row; under it, if wanted, a local store (see `cache_store`).
Float32, since a half-precision copy would not give the same text the same vector: where two batch shapes differ
by 1e-7, rounding to 11 bits may make 1e-4 of it.

What leaves memory is chosen by CLOCK (Corbato, A Paging Experiment with the Multics System, 1968): a hit sets its
row's mark, the hand takes the next row without one and clears those it passes. It keeps about what the least
recently used order keeps, and a batch's hits are marked at once. A new row begins without a mark and has one
round to be asked for, so that texts that come only once go first (as in SIEVE, Zhang et al., NSDI 2024).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np

from encoders.core.base import Encoder, EncoderError, Vectors, identity

KEY_BYTES = 16


class Store(Protocol):
    """Vectors by key, somewhere slower. Any thread may call; it may forget, and never raises."""

    def get(self, keys: Sequence[bytes]) -> list[Vectors | None]:
        """Float32 (dim,) of each key, None where there is none."""
        ...

    def put(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Keep vectors (dim,) by key."""
        ...

    def counts(self) -> dict[str, int]:
        """What went wrong so far: kind -> texts."""
        ...

    def close(self) -> None:
        """Give back what it holds; from then on it forgets all."""
        ...


class CachedEncoder:
    """An encoder with a bounded memory. Any thread may call; none waits for what another encodes.

    Two threads that miss the same text at once both encode it, and the first to be done is remembered.
    """

    def __init__(self, inner: Encoder, max_items: int = 100_000, store: Store | None = None) -> None:
        """max_items: vectors kept, 4 * dim bytes each, plus about 150 bytes of key. Raises EncoderError."""
        if max_items < 1:
            raise ValueError("a cache needs room for at least one vector")
        self.inner, self.max_items, self.store = inner, max_items, store
        self.id, self.revision, self.dim = inner.id, inner.revision, inner.dim
        self.hits = self.found = self.misses = self.evictions = 0
        # The space is part of the key, so that a store never serves a vector of another one. As `person`, it costs
        # no block of its own; copied, the hash is begun once. A cryptographic one, since whoever writes comments
        # could otherwise make one whose key is that of somebody else's text.
        space = blake2b(identity(inner).encode(), digest_size=blake2b.PERSON_SIZE).digest()
        self._begun = blake2b(digest_size=KEY_BYTES, person=space)
        self._lock = threading.Lock()
        self._rows: dict[bytes, int] = {}
        self._keys: list[bytes] = []
        try:
            # Zeros that nobody has written take no memory yet.
            self._vectors = np.zeros((max_items, inner.dim), dtype=np.float32)
        except MemoryError as error:
            raise EncoderError(
                f"no memory for {max_items} cached vectors of {inner.dim} dimensions: lower "
                f"INTERESTFLOW_ENCODER_CACHE_ITEMS"
            ) from error
        # The same bytes twice: numpy marks many at once, bytearray finds the next one without a mark.
        self._marks = bytearray(max_items)
        self._marked = np.frombuffer(self._marks, dtype=np.uint8)
        self._hand = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder; each distinct text is encoded once, and comes back bit for bit while it is remembered."""
        keys = self._keys_of(texts)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        missing = self._recall(keys, vectors)
        if missing:
            self._fill(vectors, keys, texts, missing)
        return vectors

    def counts(self) -> dict[str, dict[str, int]]:
        """Texts that memory had, that the disk had, that nothing had; what memory evicted (see base.counts)."""
        kinds = {"hit": self.hits, "miss": self.misses, "evicted": self.evictions}
        return {"cache": kinds | ({"disk": self.found, **self.store.counts()} if self.store else {})}

    def close(self) -> None:
        """Give the store back to whoever opens it next."""
        if self.store is not None:
            self.store.close()

    def __len__(self) -> int:
        return len(self._rows)

    def _keys_of(self, texts: Sequence[str]) -> list[bytes]:
        keys, begin = [], self._begun.copy
        for text in texts:
            digest = begin()
            digest.update(text.encode("utf-8", "surrogatepass"))
            keys.append(digest.digest())
        return keys

    def _recall(self, keys: list[bytes], vectors: Vectors) -> list[int]:
        """Fill in the rows (B, dim) that memory has; returns the others."""
        with self._lock:
            rows = list(map(self._rows.get, keys))
            missing = [at for at, row in enumerate(rows) if row is None] if None in rows else []
            self.hits += len(keys) - len(missing)
            if not missing:
                here = np.array(rows, dtype=np.intp)
                self._marked[here] = 1
                # Clipping, of what cannot be out of range, lets numpy write straight into the result.
                np.take(self._vectors, here, axis=0, out=vectors, mode="clip")
            elif known := [(at, row) for at, row in enumerate(rows) if row is not None]:
                places, here = np.array(known, dtype=np.intp).T
                self._marked[here] = 1
                vectors[places] = self._vectors[here]
        return missing

    def _fill(self, vectors: Vectors, keys: list[bytes], texts: Sequence[str], missing: list[int]) -> None:
        """Fill in what memory has not: from the store, or encoded, each distinct text once."""
        wanted = {keys[at]: texts[at] for at in missing}
        found = self._look_up(list(wanted))
        new = [key for key in wanted if key not in found]
        fresh = dict(zip(new, self.inner.encode([wanted[key] for key in new]), strict=True)) if new else {}
        # What went wrong once is asked again.
        sound = {key: vector for key, vector in fresh.items() if np.isfinite(vector).all()}
        if self.store and sound:
            self.store.put(sound)
        here = found | fresh
        vectors[missing] = [here[keys[at]] for at in missing]
        with self._lock:
            self.misses += len(fresh)
            self.found += len(found)
            self.hits += len(missing) - len(wanted)
            for key, vector in (found | sound).items():
                self._keep(key, vector)

    def _look_up(self, keys: list[bytes]) -> dict[bytes, Vectors]:
        if self.store is None:
            return {}
        values = self.store.get(keys)
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def _keep(self, key: bytes, vector: Vectors) -> None:
        if key in self._rows:  # another thread was faster
            return
        if (row := len(self._keys)) < self.max_items:
            self._keys.append(key)
        else:
            row = self._evict()
            self._keys[row] = key
        self._vectors[row] = vector
        self._rows[key] = row

    def _evict(self) -> int:
        """The row that the hand stops at, free again."""
        row = self._marks.find(0, self._hand)
        if row < 0:  # around the end; what is cleared here is met again at the latest
            self._marked[self._hand :] = 0
            self._hand = 0
            row = self._marks.find(0)
        self._marked[self._hand : row] = 0
        self._hand = (row + 1) % self.max_items
        del self._rows[self._keys[row]]
        self.evictions += 1
        return row
