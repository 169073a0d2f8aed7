"""Whether numbers and names in a record of the topic of signals can be right.

Workers alone write there; but one record that somebody else wrote must neither end a worker, for it would end the next
one, too, nor bring what is no number into the states of items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.events.canonical import CONTROL
from streams.settings.action_rules import LARGEST_WEIGHT

# Offsets and times are int64; Kafka's partitions are int32.
LARGEST, LARGEST_PARTITION = 2**63 - 1, 2**31 - 1
# No setting lets an id, or the name of a stream, be longer.
LONGEST = 1024

# What one of these records may raise where it is read.
UNREADABLE = (KeyError, ValueError, TypeError, IndexError, OverflowError, AttributeError, RecursionError)


def whole(given: Any, least: int, most: int) -> int:
    """A whole number between these. Raises ValueError."""
    if type(given) is not int or not least <= given <= most:
        raise ValueError(f"{str(given)[:24]} is no number from {least} to {most}")
    return given


def header(headers: Mapping[str, bytes], name: str, most: int = LARGEST) -> int:
    """A whole number from 0 on in a header. Raises KeyError, ValueError, TypeError."""
    return whole(int(headers[name]), 0, most)


def stream(headers: Mapping[str, bytes], name: str) -> str:
    """A name in a header. Raises KeyError, ValueError, AttributeError."""
    found = headers[name].decode()
    if not 0 < len(found) <= LONGEST:
        raise ValueError(f"the header {name} has {len(found)} characters")
    return found


def names(given: Any) -> list[str]:
    """Ids of items, each once. Raises ValueError, TypeError."""
    if not isinstance(given, list):
        raise ValueError("the items are no list of ids")
    # Looked at together, for there are many: what is no text cannot be joined.
    text, distinct = "".join(given), set(given)
    if CONTROL.search(text) or len(distinct) < len(given):
        raise ValueError("an item stands there twice, or its id holds control characters")
    if "" in distinct or (given and max(map(len, given)) > LONGEST):
        raise ValueError(f"an item's id is empty or longer than {LONGEST} characters")
    return given


def since(begin: Any, column: npt.NDArray[Any], most: int = LARGEST) -> npt.NDArray[np.int64]:
    """Numbers (n,) that are counted from `begin` on, none above `most`. Raises ValueError."""
    first = whole(begin, 0, most)
    if len(column) and first + int(column.max()) > most:
        raise ValueError(f"a number is above {most}")
    found: npt.NDArray[np.int64] = column.astype(np.int64) + first
    return found


def weights(given: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Weights (n,). Raises ValueError where one is below 0, too large or no number."""
    if not ((given >= 0) & (given <= LARGEST_WEIGHT)).all():
        raise ValueError("a weight is below 0, too large or no number")
    return given
