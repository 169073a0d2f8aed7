"""A measurement in a process of its own: `python -m streams.bench.child CASE ARGUMENTS`, JSON in and out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from streams.bench.stream import memory, recommend, recovery
from streams.ops.process import spared_collector

CHILDREN: dict[str, Callable[..., dict[str, list[float]]]] = {
    recommend.CASE: recommend.child,
    recovery.CASE: recovery.child,
    memory.CASE: memory.child,
    memory.EVICTED: memory.child_evicted,
}

if __name__ == "__main__":
    # As a worker begins; it costs a third of the recommendations otherwise.
    with spared_collector():
        print(json.dumps(CHILDREN[sys.argv[1]](*json.loads(sys.argv[2]))))
