"""One invocation of `bench requests`: which catalogs, in order, and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from encoders.core.base import Encoder
from streams.bench.errors import BenchError, check_names
from streams.bench.harness import Samples, machine
from streams.bench.requests import cost, indexes, spaces
from streams.bench.requests.workload import Workload
from streams.bench.show import Say, show
from streams.kernels.compiling import compiled
from streams.ops.process import spared_collector
from streams.settings.settings import Settings

CASES = ("list", "nearest")


@dataclass(frozen=True, slots=True)
class Plan:
    """items: of each catalog. cases: by name, all where empty. peers: by name, none where empty.

    data: folder of the data sets whose titles are encoded; without it vectors are made up. kept: folder of encoded
    texts.
    """

    runs: int
    items: tuple[int, ...]
    cases: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    data: Path | None = None
    kept: Path | None = None
    dim: int = 128
    seed: int = 7


def run(plan: Plan, settings: Settings, encoder: Callable[[], Encoder], json_file: Path | None) -> None:
    """Measure on one thread, show the table, write the rows.

    encoder: makes the one of the titles. Raises BenchError, DatasetError, EncoderError.
    """
    check_names("case", plan.cases, CASES)
    check_names("peer", plan.peers, indexes.PEERS)
    if not compiled():
        raise BenchError("requests are measured with compiled code: see the log for why there is none")

    def measure(say: Say) -> Samples:
        samples, cases, texts = Samples(), plan.cases or CASES, None
        if plan.data is not None and "nearest" in cases:
            texts = spaces.encoded_titles(plan.data, plan.kept, encoder(), plan.dim, say)
        with threadpool_limits(1, user_api="blas"), spared_collector():
            for items in plan.items:
                if "list" in cases:
                    workload = Workload(items, plan.dim, plan.seed)
                    samples.merge(cost.recommenders(settings, workload, plan.runs, say))
                for name in spaces.NAMES if "nearest" in cases else ():
                    vectors = spaces.made(name, items, plan.dim, plan.seed, texts)
                    samples.merge(cost.nearest(name, vectors, plan.peers, plan.runs, plan.seed, say))
        return samples

    show(measure, json_file, machine())
