"""CPU per request: of the recommenders, and of ways to the nearest items alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from streams.bench.harness import Samples
from streams.bench.requests import indexes, spaces
from streams.bench.requests.workload import Workload
from streams.items.table import ItemTable
from streams.recommend.abilities import UsesItems
from streams.recommend.base import Floats, Recommender
from streams.settings.registries import RECOMMENDERS
from streams.settings.settings import Settings

# Requests of a round, and those that come together.
ROUND, TOGETHER = 128, 32
# Vectors that are asked about for the recall, and by an exact product of all items.
ASKED, FEW = 200, 20
K, REASONS = 20, 3
ENGINES = ("hybrid", "content")
RECALL = f"recall@{indexes.SOUGHT}"


def recommenders(settings: Settings, workload: Workload, runs: int, say: Callable[[str], None]) -> Samples:
    """CPU of a list of 20: asked for alone, in batches, and in batches with reasons."""
    samples, case = Samples(), f"list, {workload.items:,} items"
    catalog = workload.catalog()
    table, queries = workload.table(catalog), workload.queries(ROUND)
    say(f"{case}: the catalog and what was learned of it are made")
    alone = [queries.only([user]) for user in range(ROUND)]
    together = [queries.only(list(range(at, at + TOGETHER))) for at in range(0, ROUND, TOGETHER)]
    ways = {
        "alone": (alone, 0),
        f"{TOGETHER} together": (together, 0),
        f"{TOGETHER} together, with reasons": (together, REASONS),
    }
    made = {name: _made(name, settings, workload, table) for name in ENGINES}
    # The first round is the warm-up: indexes are built in it.
    for turn in range(runs + 1):
        for name, recommender in made.items():
            for way, (parts, reasons) in ways.items():
                ask = partial(recommender.recommend, catalog, k=K, reasons=reasons)
                spent = _cpu_ms(ask, parts)
                if turn:
                    samples.add(case, name, f"CPU, {way}", "ms", spent / ROUND)
    return samples


def _made(name: str, settings: Settings, workload: Workload, table: ItemTable) -> Recommender:
    built: Recommender = RECOMMENDERS.build(name, settings.model_copy(update={"dimensions": workload.dim}))
    if isinstance(built, UsesItems):
        built.use_items(table)
    return built


def nearest(
    name: str, vectors: Floats, peers: Sequence[str], runs: int, seed: int, say: Callable[[str], None]
) -> Samples:
    """Recall, CPU, and what building takes, of each way to the 100 nearest."""
    samples, case = Samples(), f"nearest, {len(vectors):,} items, {name}"
    asked = spaces.interests(vectors, ASKED, seed)
    truth = _truth(vectors, asked)
    for engine, build in (indexes.ALWAYS | {name: indexes.PEERS[name] for name in peers}).items():
        if engine in peers and not indexes.installed(engine):
            samples.missing(case, engine, RECALL, "1")
            samples.notes[engine] = f"missing: pip install {indexes.PACKAGES[engine]}"
            continue
        built = build(vectors)
        _measure(samples, case, engine, built, asked, truth, runs)
        samples.add(case, engine, "CPU of building, per item", "µs", built.cpu_s / len(vectors) * 1e6)
        if built.bytes is not None:
            samples.add(case, engine, "memory per item", "bytes", built.bytes / len(vectors))
        say(f"{case}: {engine} is measured")
    return samples


def _measure(
    samples: Samples, case: str, engine: str, built: indexes.Built, asked: Floats, truth: list[Any], runs: int
) -> None:
    """truth: the nearest rows of each vector asked."""
    some = asked[: FEW if engine.startswith("numpy") else ASKED]
    found = [built.search(one) for one in some]
    shares = [len(np.intersect1d(*pair)) / indexes.SOUGHT for pair in zip(found, truth, strict=False)]
    samples.add(case, engine, RECALL, "1", float(np.mean(shares)))
    for _ in range(runs):
        samples.add(case, engine, "CPU of a search", "ms", _cpu_ms(built.search, list(some)) / len(some))


def _truth(vectors: Floats, asked: Floats) -> list[Any]:
    exact = indexes.numpy(vectors)
    return [exact.search(one) for one in asked]


def _cpu_ms(call: Callable[[Any], Any], parts: Iterable[Any]) -> float:
    """Of all calls together: asking for the CPU time takes as long as a request on some machines."""
    begun = time.process_time()
    for part in parts:
        call(part)
    return (time.process_time() - begun) * 1e3
