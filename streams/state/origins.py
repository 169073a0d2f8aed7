"""Recognises canonical events that ingest wrote twice, however old, by one number per source partition.

A killed or paused ingest writes again what it had not committed. Each canonical record carries its origin: the source
record that it was made of (see provenance.Origin). Within one canonical partition and one source partition, an event
is a repeat if and only if its rank is not above the highest rank read so far.

Why a maximum is enough. Let S be the events of one source partition that belong to one canonical partition, in rank
order. The claim: at every position of the canonical log, the events of S in the log are a prefix of S. Then an event
is in the log already exactly when its rank is at or below the highest there.

1. A writer appends S in order from some rank on, without a gap: it reads its partition in order, and what the sink
   appends to a partition is a prefix of what it was given (see sinks.kafka).
2. When a writer begins, all of S before its first event is in the log: it begins at the committed offset or before,
   and an offset is committed only once all events before it are delivered. So when it appends an event of rank r, all
   of S below r is in the log: what it did not write itself was there when it began.
3. Hence each append keeps the claim, whoever else writes at the same time: a paused worker that goes on, the worker
   that replaced it, one of another generation, or several at once.

The exception to 2 are records that retention removes before they are committed: a writer begins behind them, and
books them as removed. If a paused worker had read some of them and writes them later, their ranks are below the
highest and they count as repeats: they stay booked as removed.

A record that ingest rejects belongs to no canonical partition, so it is no gap. A source topic that is created anew
has another id, and so another stream with its own ranks. The claim needs that the offsets of a source partition are
never used for other records; a topic that lost acknowledged records (an unclean leader election) breaks that.

Ranks rise only in the topic that ingest wrote. In a copy of it with another number of partitions they need not,
so each origin names the topic that it was written to, and counts only there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from streams.events.columns.origins import OriginColumns
from streams.events.provenance import Origin
from streams.kernels.origins import sift

Mask = npt.NDArray[np.bool_]
# Highest rank by stream and partition.
Ranks = dict[tuple[str, int], int]
NO_RANK, HIGHEST_RANK = -1, 2**63 - 1


class Origins:
    """The highest rank read of each source partition, in one canonical partition."""

    def __init__(self, known: Mapping[str, Mapping[int, int]] | None = None) -> None:
        """known: ranks by stream and partition, as `copy` gave them."""
        self._highest = {stream: dict(ranks) for stream, ranks in (known or {}).items()}

    def copy(self) -> dict[str, dict[int, int]]:
        """The ranks by stream and partition."""
        return {stream: dict(ranks) for stream, ranks in self._highest.items()}

    def sift(self, origins: OriginColumns | Sequence[Origin | None]) -> tuple[Mask, Ranks]:
        """(n,) true for repeats; and the highest ranks that the batch brings, for `advance`. Changes nothing yet.

        origins: (n,) of events in log order.
        """
        if isinstance(origins, OriginColumns):
            return self._sift_columns(origins)
        repeated = np.zeros(len(origins), dtype=bool)
        risen: Ranks = {}
        known = self._highest
        for index, origin in enumerate(origins):
            if origin is None:
                continue
            stream, partition, rank = origin
            key = stream, partition
            highest = risen[key] if key in risen else known.get(stream, {}).get(partition, NO_RANK)
            if rank <= highest:
                repeated[index] = True
            else:
                risen[key] = rank
        return repeated, risen

    def _sift_columns(self, origins: OriginColumns) -> tuple[Mask, Ranks]:
        known = self._highest
        before = [known.get(stream, {}).get(partition, NO_RANK) for stream, partition in origins.places]
        # A rank that was not written by ingest may be beyond all that ranks can be.
        highest = np.array([min(rank, HIGHEST_RANK) for rank in before], dtype=np.int64)
        repeated: Mask = sift(origins.of, origins.ranks, highest)
        both = zip(origins.places, before, highest.tolist(), strict=True)
        return repeated, {place: now for place, then, now in both if now > then}

    def highest(self, stream: str, partition: int) -> int:
        """The highest rank read of this source partition; NO_RANK where there is none."""
        return self._highest.get(stream, {}).get(partition, NO_RANK)

    def advance(self, risen: Ranks) -> None:
        """Enter the ranks that `sift` returned."""
        for (stream, partition), rank in risen.items():
            self._highest.setdefault(stream, {})[partition] = rank

    def renew(self, risen: Ranks, prefix: str, most: int) -> None:
        """As `advance`; of the streams whose name begins so, so many stay, those that rose last."""
        for stream, _ in risen:
            self._highest[stream] = self._highest.pop(stream, {})
        self.advance(risen)
        own = [stream for stream in self._highest if stream.startswith(prefix)]
        for stream in own[: max(0, len(own) - most)]:
            del self._highest[stream]
