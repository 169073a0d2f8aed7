"""Tells item signals that were written before, however old, by one number per partition of the canonical topic.

A user batch that is folded again after a crash says again what it said of items; a worker that was paused may say
later what its successor has said. Each signal carries its origin: the canonical partition c of its event, and the
event's offset there. Within one partition p of items, what an event says is a repeat if and only if its offset is not
above the highest one taken from c before this record.

Why a maximum is enough. Call an event of c *speaking* if it says something of an item of p whoever folds it. Let S be
the offsets of these events, in order. The claim: at every position of the log of signals of p, the offsets of S that
stand there, of c, are a prefix of S. Then a speaking event's signals are in the log already exactly when its offset is
at or below the highest there. (What else stands there, with offsets not in S, can only make the highest higher: 3.)

1. A writer appends in the order of offsets, from some offset r on, and leaves out no speaking event: it folds the
   events of c in order, an event says all that it says in one record per p, and what the sink appends to a partition
   is a prefix of what it was given (see sinks.kafka).
2. All of S below r is in the log when a writer begins: it begins behind the progress record that it recovered, or
   passes over events that the rows that it recovered hold. Progress records and rows alike are published only once
   what their batch says is delivered (see worker.learning.held), by a writer of which the same is true.
3. So before or with an offset o that a writer appends, all of S up to o is in the log: what is below its r was there
   when it began, and the rest it wrote itself. Hence each append keeps the claim, whoever else writes at the same
   time: the worker that replaced this one, this one after a pause, or both at once. And an offset that is not in S can
   never be ahead of one in S that is missing.

Which events speak. An event whose action has a weight above 0 says that its item was used, to the partition of that
item, when it is read first, whether the item is known then or not (see flow.learning.speaking): that depends on the
event alone. So uses are speaking, and are counted exactly once each. Pairs come from the state of the user. It may
differ between writers where events wait, and then which pairs an event makes is as whoever wrote first had it; never
as both had it.

Each canonical partition counts for itself, and a canonical topic that is made anew has another id, and so another
number. Signals that retention removes before they are read are lost, and booked as removed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.interest.base import Longs
from streams.state.origins import Origins

Mask = npt.NDArray[np.bool_]


def take(origins: Origins, stream: str, partition: int, offsets: Longs) -> Mask:
    """(E,) true for the events that were not taken before; they are from now on.

    stream, partition: which partition of which canonical topic. offsets: (E,) of the events of one record, rising.
    """
    highest = origins.highest(stream, partition)
    if len(offsets) and offsets[-1] > highest:
        origins.advance({(stream, partition): int(offsets[-1])})
    fresh: Mask = offsets > highest
    return fresh


# What workers tell of what they have learned: each start of a worker is a stream of its own, of which so many are
# remembered, those that told last.
TOLD, TELLERS = "told by ", 64


def take_told(origins: Origins, teller: str, number: int) -> bool:
    """True for a record that was not taken before; it is from now on.

    teller: name of the worker's start. number: of the record among its own, which rise, as what the sink appends is a
    prefix of what it was given.
    """
    stream = TOLD + teller
    if number <= origins.highest(stream, 0):
        return False
    origins.renew({(stream, 0): number}, TOLD, TELLERS)
    return True
