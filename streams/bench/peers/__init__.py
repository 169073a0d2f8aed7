"""The other engines of Python: what each guarantees, and how it is started.

The scripts beside this file run in an environment of their own (`environment.py`); each gets its job as a JSON file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streams.bench.cluster import PARTITIONS, Cluster
from streams.bench.errors import BenchError
from streams.bench.peers import environment
from streams.bench.peers.environment import PATHWAY, SHARED, Packages
from streams.bench.stream import workload
from streams.bench.stream.contender import INTERVAL_MS, Contender, Form, Launch, Wiring

SCRIPTS = Path(__file__).parent


class Peer(NamedTuple):
    """Another engine. shares: of the events, in each form that it has, so that a run is about as long as ours.

    note: what it guarantees. packages: where it runs.
    """

    name: str
    shares: Mapping[Form, float]
    note: str
    packages: Packages = SHARED


PEERS = (
    # It holds no vector back: its tables cannot be written from a batch of `take`.
    Peer(
        "faust",
        {Form.EVENT: 0.025},
        "stock Faust 0.15.3. Changelog of its table (last write wins), acks=all; acknowledges an event even where "
        "its handling failed, and commits without waiting for deliveries",
    ),
    # It holds no vector back: it has no timers by the clock.
    Peer(
        "quix",
        {Form.EVENT: 0.15},
        "Quix Streams 3.28.1. RocksDB with a changelog, flushed before it commits: at least once, an event may "
        "count twice",
    ),
    Peer(
        "bytewax",
        {Form.TOUCHED: 0.6, Form.EVENT: 0.4},
        "Bytewax 0.21.1. State in memory only, no changelog, no recovery, no consumer group: a restart begins anew",
    ),
    Peer(
        "pathway",
        {Form.TOUCHED: 0.6, Form.EVENT: 0.2},
        "Pathway 0.33.0 (BSL 1.1), one thread, a batch each 100 ms in both forms. Persistence off, as by default: "
        "state in memory only, no recovery. Events of a batch are ordered by their time, not by their arrival",
        PATHWAY,
    ),
)
# Which run where they are named.
NAMED_ONLY = tuple(peer.name for peer in PEERS if peer.packages is PATHWAY)


def contenders(names: set[str], forms: Collection[Form], say: Callable[[str], None]) -> list[Contender]:
    """The peers of these names in these forms; where their environment cannot be made, they are named as missing."""
    chosen = [(peer, form) for form in forms for peer in PEERS if peer.name in names and form in peer.shares]
    pythons = {packages: _python(packages, say) for packages in {peer.packages: None for peer, _ in chosen}}
    return [_contender(peer, form, pythons[peer.packages]) for peer, form in chosen]


def _python(packages: Packages, say: Callable[[str], None]) -> Path | BenchError:
    try:
        return environment.ready(packages, say)
    except BenchError as error:
        say(str(error))
        return error


def _contender(peer: Peer, form: Form, python: Path | BenchError) -> Contender:
    if isinstance(python, BenchError):
        return Contender(peer.name, peer.shares[form], f"missing. {python}", None, form)
    return Contender(peer.name, peer.shares[form], peer.note, _starter(peer.name, python), form)


def _starter(name: str, python: Path) -> Callable[[Cluster, Wiring], Launch]:
    def prepare(_cluster: Cluster, wiring: Wiring) -> Launch:
        file = wiring.home / f"{wiring.group}.json"
        file.write_text(json.dumps(job(wiring)))
        return Launch([str(python), str(SCRIPTS / f"{name}_peer.py"), str(file)], {})

    return prepare


def job(wiring: Wiring) -> dict[str, object]:
    """What a script needs to know; see `arithmetic.Job`."""
    vectors = wiring.home / "vectors.npy"
    if not vectors.exists():
        np.save(vectors, workload.vectors())
    return {
        "servers": wiring.servers,
        "input": wiring.input,
        "output": wiring.output,
        "group": wiring.group,
        "home": str(wiring.home / wiring.group),
        "partitions": PARTITIONS,
        "interval_ms": INTERVAL_MS if wiring.form == Form.TOUCHED else 0,
        "vectors": str(vectors),
        "items": [workload.item_id(number) for number in range(workload.ITEMS)],
        "weights": workload.WEIGHTS,
        "short_events": workload.SHORT_EVENTS,
        "long_s": workload.LONG_S,
        "short_share": workload.SHORT_SHARE,
    }
