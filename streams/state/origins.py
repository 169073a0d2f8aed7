"""Which canonical events ingest wrote before: told by their origin, at any age, in one number per source partition.

A killed or paused ingest writes again what it had not committed. Each canonical record says where it was read (see
provenance.Origin). Of one canonical partition and one source partition, an event is a repeat if and only if its rank
is not above the highest rank read so far.

Why a maximum is enough. Let S be the events of one source partition that belong to one canonical partition, in rank
order. The claim: at every position of the canonical log, the events of S in the log are a prefix of S. Then an event
is in the log already exactly when its rank is at or below the highest there.

1. A writer takes S up in order from some rank on, without a gap: it reads its partition in order, and what the sink
   appends to a partition is a prefix of what it was given (see sinks.kafka).
2. Where a writer begins, all of S before it is in the log: it begins at the committed offset or before, and an
   offset is committed only once all that came before it is delivered. So when it appends an event of rank r, all
   of S below r is in the log: what it had not written itself was there when it began.
3. Hence each append keeps the claim, whoever else writes at the same time: a paused worker that goes on, the worker
   that replaced it, one of another generation, or several at once.

Records that retention removes before they are committed are the exception to 2: a writer begins behind them, and says
so. What a paused worker had read of them, and writes later, stands below the highest rank and counts as a repeat:
they stay what they were booked as, removed.

A record that ingest rejects belongs to no canonical partition, so it is no gap. A source topic that is made anew has
another id, and so another stream with ranks of its own. The claim needs that a source partition's offsets are
never used for other records; a topic that lost acknowledged records (an unclean leader election) breaks that.

Ranks rise only in the topic that ingest wrote. In a copy of it with another number of partitions they need not,
so each origin names the topic that it was written to, and counts only there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from streams.events.provenance import Origin

Mask = npt.NDArray[np.bool_]
# Highest rank by stream and partition.
Ranks = dict[tuple[str, int], int]
NO_RANK = -1


class Origins:
    """The highest rank read of each source partition, in one canonical partition."""

    def __init__(self, known: Mapping[str, Mapping[int, int]] | None = None) -> None:
        """known: ranks by stream and partition, as `copy` gave them."""
        self._highest = {stream: dict(ranks) for stream, ranks in (known or {}).items()}

    def copy(self) -> dict[str, dict[int, int]]:
        """The ranks by stream and partition."""
        return {stream: dict(ranks) for stream, ranks in self._highest.items()}

    def sift(self, origins: Sequence[Origin | None]) -> tuple[Mask, Ranks]:
        """(n,) true for events that the log held before; and the ranks that are higher then, for `advance`.

        origins: (n,) of events in log order. Nothing changes yet.
        """
        again = np.zeros(len(origins), dtype=bool)
        risen: Ranks = {}
        known = self._highest
        for index, origin in enumerate(origins):
            if origin is None:
                continue
            stream, partition, rank = origin
            place = stream, partition
            highest = risen[place] if place in risen else known.get(stream, {}).get(partition, NO_RANK)
            if rank <= highest:
                again[index] = True
            else:
                risen[place] = rank
        return again, risen

    def advance(self, risen: Ranks) -> None:
        """Take in what `sift` found to be new."""
        for (stream, partition), rank in risen.items():
            self._highest.setdefault(stream, {})[partition] = rank
