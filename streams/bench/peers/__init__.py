"""The other engines: an environment of their own, and how each is started.

Their packages would hold the product's back (Quix Streams wants an older confluent-kafka), so they are
installed by uv into a folder of their own the first time that they are asked for. The scripts beside this
file run there; each gets its job as a JSON file.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streams.bench.cluster import PARTITIONS, Cluster
from streams.bench.errors import BenchError
from streams.bench.process import problem_of
from streams.bench.stream import workload
from streams.bench.stream.contender import INTERVAL_MS, Contender, Form, Launch, Wiring
from streams.local_kafka import local_kafka

REQUIREMENTS = (
    "quixstreams==3.28.1",
    "bytewax==0.21.1",
    "faust-streaming==0.15.3",
    "aiokafka==0.14.0",
    "confluent-kafka==2.12.2",
    "numpy==2.4.6",
    "orjson==3.13.0",
)
SCRIPTS = Path(__file__).parent
INSTALL_DEADLINE_S = 600.0


class Peer(NamedTuple):
    """Another engine. shares: of the events, in each form that it has, so that a run is about as long as ours.

    note: what it guarantees.
    """

    name: str
    shares: Mapping[Form, float]
    note: str


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
)


def contenders(names: set[str], forms: Collection[Form], say: Callable[[str], None]) -> list[Contender]:
    """The peers of these names in these forms; where their environment cannot be made, they are named as missing."""
    chosen = [(peer, form) for form in forms for peer in PEERS if peer.name in names and form in peer.shares]
    if not chosen:
        return []
    try:
        python = make_environment(say)
    except BenchError as error:
        say(str(error))
        return [Contender(p.name, p.shares[form], f"missing. {error}", None, form) for p, form in chosen]
    return [Contender(p.name, p.shares[form], p.note, _starter(p.name, python), form) for p, form in chosen]


def home() -> Path:
    """The folder of their environment."""
    return local_kafka.default_home().parent / "bench-peers-venv"


def make_environment(say: Callable[[str], None]) -> Path:
    """The peers' Python, made on demand. Raises BenchError that says what to do."""
    folder = home()
    python, stamp = folder / "bin" / "python", folder / "requirements"
    wanted = blake2b(" ".join((sys.version, *REQUIREMENTS)).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    say(f"installing the other engines into {folder} (once)")
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise BenchError("the other engines are installed by uv, which is not here: run `pip install uv`")
    _run([uv, "venv", "--clear", "--python", sys.executable, str(folder)])
    _run([uv, "pip", "install", "--python", str(python), *REQUIREMENTS])
    stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    if (said := problem_of(command, INSTALL_DEADLINE_S)) is not None:
        raise BenchError(
            f"the other engines cannot be installed: `{' '.join(command)}` failed: {said}. They "
            f"need Python 3.11 or 3.12 and a package index; or leave them out with --engine interestflow"
        )


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
