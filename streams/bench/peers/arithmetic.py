"""The arithmetic that every peer does per event, on numpy, as fast as one event at a time can be.

Needs numpy and the standard library alone: it runs in the peers' environment.
"""

from __future__ import annotations

import json
import struct
import sys
from binascii import b2a_base64
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
HEADER = struct.Struct("<qq")


class Job:
    """Where a peer reads and writes, and the numbers that it folds with.

    interval_ms: between two vectors of a user; 0 for one vector per event.
    """

    servers: str
    input: str
    output: str
    group: str
    home: str
    partitions: int
    interval_ms: int
    vectors: str
    items: list[str]
    weights: dict[str, float]
    short_events: float
    long_s: float
    short_share: float

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    @classmethod
    def given(cls) -> Job:
        """The job named on the command line; its folder exists afterwards."""
        job = cls(**json.loads(Path(sys.argv[1]).read_text()))
        Path(job.home).mkdir(parents=True, exist_ok=True)
        return job


class State:
    """A user: time (ms) of the newest event, number of events, decayed sums short and long, (dim,) float32."""

    __slots__ = ("count", "long", "short", "time")

    def __init__(self, time: int, count: int, short: Floats, long: Floats) -> None:
        self.time, self.count, self.short, self.long = time, count, short, long

    @classmethod
    def of(cls, data: bytes) -> State:
        """From `to_bytes`."""
        time, count = HEADER.unpack_from(data)
        # A bytearray, since an array on bytes could not be written to.
        sums = np.frombuffer(bytearray(data), np.float32, offset=HEADER.size)
        middle = len(sums) // 2
        return cls(time, count, sums[:middle], sums[middle:])

    def to_bytes(self) -> bytes:
        """Header and sums."""
        return HEADER.pack(self.time, self.count) + self.short.tobytes() + self.long.tobytes()


class Fold:
    """Moves states by events; see streams/interest/decay.py, whose vectors these are to 1e-6.

    Few calls on contiguous rows and plain Python scalars: what one event at a time costs least with.
    """

    def __init__(self, job: Job) -> None:
        self.vectors: Floats = np.load(job.vectors)
        self.dim = self.vectors.shape[1]
        self.row_of = {item: row for row, item in enumerate(job.items)}
        self.weights = job.weights
        self.decay = 2.0 ** (-1.0 / job.short_events)
        self.long_rate = -1.0 / (job.long_s * 1000.0)
        self.share = job.short_share

    def start(self) -> State:
        """Of a user never seen."""
        return State(0, 0, np.zeros(self.dim, dtype=np.float32), np.zeros(self.dim, dtype=np.float32))

    def step(self, state: State, event: dict[str, Any]) -> dict[str, Any]:
        """Fold one event into the state, in place; returns the vector record."""
        self.move(state, event)
        return self.record(event["user_id"], state)

    def move(self, state: State, event: dict[str, Any]) -> None:
        """Fold one event into the state, in place."""
        time, short, long = event["timestamp"], state.short, state.long
        since = time - state.time if state.count else 0
        vector = self.vectors[self.row_of[event["item_id"]]] * self.weights[event["action"]]
        short *= self.decay
        short += vector
        if since >= 0:
            long *= 2.0 ** (since * self.long_rate)
            long += vector
            state.time = time
        else:  # late: it comes in with its own lateness decayed
            long += vector * 2.0 ** (-since * self.long_rate)
        state.count += 1

    def record(self, user: str, state: State) -> dict[str, Any]:
        """The vector record of a user's state."""
        return {
            "user_id": user,
            "count": state.count,
            "as_of": state.time,
            "dim": self.dim,
            "vector": b2a_base64(self._mixed(state.short, state.long).tobytes(), newline=False).decode(
                "ascii"
            ),
        }

    def _mixed(self, short: Floats, long: Floats) -> Floats:
        """Unit vector of the two directions, mixed."""
        mixed = short * _per_length(short, self.share)
        mixed += long * _per_length(long, 1.0 - self.share)
        mixed *= _per_length(mixed, 1.0)
        return mixed


def _per_length(vector: Floats, share: float) -> float:
    length = sqrt(float(vector.dot(vector)))
    return share / length if length else 0.0
