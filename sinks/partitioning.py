"""The partition of a key, as Java clients and librdkafka's `murmur2_random` choose it, for many keys at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SEED = np.uint32(0x9747B28C)
MULTIPLIER = np.uint32(0x5BD1E995)
POSITIVE = np.uint32(0x7FFFFFFF)
# Longer keys are hashed apart, so that one does not widen the table of all.
LONGEST_TOGETHER = 64


def partitions_of(keys: Sequence[bytes], count: int) -> npt.NDArray[np.int64]:
    """(n,) partitions, 0 to count - 1, of keys."""
    lengths = np.array(list(map(len, keys)), dtype=np.int64)
    hashes = np.zeros(len(keys), dtype=np.uint32)
    for chosen in (lengths <= LONGEST_TOGETHER, lengths > LONGEST_TOGETHER):
        if chosen.all():
            return (_murmur2(keys, lengths) & POSITIVE).astype(np.int64) % count
        places = np.flatnonzero(chosen)
        hashes[places] = _murmur2([keys[place] for place in places.tolist()], lengths[places])
    return (hashes & POSITIVE).astype(np.int64) % count


def _murmur2(keys: Sequence[bytes], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """(n,) MurmurHash2 (A. Appleby, 32 bits) with the seed of Kafka's clients."""
    whole, rest = lengths // 4, lengths % 4
    width = int(whole.max(initial=0)) + 1
    # (n, width) words of each key, zeros behind its end.
    words = np.array(keys, dtype=f"S{4 * width}").view("<u4").reshape(len(keys), width)
    hashes = SEED ^ lengths.astype(np.uint32)
    for step in range(width - 1):
        word = words[:, step] * MULTIPLIER
        word ^= word >> np.uint32(24)
        mixed = (hashes * MULTIPLIER) ^ (word * MULTIPLIER)
        hashes = np.where(step < whole, mixed, hashes)
    # The last one to three bytes; a key without any is not mixed once more.
    last = words[np.arange(len(keys)), whole]
    hashes = np.where(rest > 0, (hashes ^ last) * MULTIPLIER, hashes)
    hashes ^= hashes >> np.uint32(13)
    hashes *= MULTIPLIER
    hashes ^= hashes >> np.uint32(15)
    return hashes
