"""A tiny run of every case on a real broker: rows are well formed, and every engine's vectors are right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from streams.bench import peers
from streams.bench.cluster import Cluster, cluster
from streams.bench.harness import Samples
from streams.bench.peers import jvm
from streams.bench.stream import checking, latency, memory, ours, recommend, recovery, run, scale, throughput
from streams.bench.stream.run import Plan

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def broker() -> Iterator[Cluster]:
    """One broker for all cases; nothing of it is left."""
    with cluster() as running:
        yield running
    assert not running.home.exists()


def quiet(line: str) -> None:
    """Progress that nobody reads."""


def well_formed(samples: Samples, case: str, runs: int) -> set[tuple[str, str]]:
    """(engine, metric) of each row, all of which have numbers."""
    rows = samples.rows()
    for row in rows:
        assert row.case == case
        assert row.unit
        assert row.runs == runs, row
        assert row.min is not None
        assert row.median is not None
        assert row.max is not None
        assert 0 < row.min <= row.median <= row.max
    return {(row.engine, row.metric) for row in rows}


def is_here(name: str) -> bool:
    """Tests fetch no jars, and no gigabyte: engines that only run where they are named are tested where they did."""
    wanted = [jvm.home() / program.name for peer, program in jvm.PEERS if peer.name == name]
    wanted += [peer.packages.home() for peer in peers.PEERS if name == peer.name in peers.NAMED_ONLY]
    return all(folder.is_dir() for folder in wanted)


@pytest.mark.parametrize("name", [*run.ENGINES, *run.OPTIONAL])
def test_every_engine_gives_the_vectors_of_plain_folding(
    broker: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_here(name):
        pytest.skip(f"it is not here: run `interestflow bench stream --engine {name}` once")
    # Every user of every engine is compared, at half the promised difference: so any two agree to 1e-4.
    monkeypatch.setattr(checking, "CHECK_EVERY", 1)
    monkeypatch.setattr(checking, "TOLERANCE", 5e-5)
    monkeypatch.setattr(throughput, "WARM_UP", 200)
    contenders = run.contenders(Plan(1, 1000, engines=(name,)), quiet)
    for contender in contenders:
        if contender.prepare is None:
            pytest.skip(contender.note)
    found = throughput.measure(broker, [replace(one, share=1.0) for one in contenders], 1, 1000, quiet)
    labels = [contender.label for contender in contenders]
    wanted = {(label, metric) for label in labels for metric, _ in throughput.METRICS}
    assert well_formed(found, throughput.CASE, 1) == wanted


def test_latency_of_every_event(broker: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "WARM_UP_S", 0.5)
    monkeypatch.setattr(latency, "MEASURED_S", 1.0)
    # Two that differ in everything; the third is between them.
    monkeypatch.delitem(latency.VARIANTS, "ingest")
    found = latency.measure(broker, 1, 200, quiet)
    wanted = {(variant, metric) for variant in latency.VARIANTS for metric in ("p50", "p99")}
    assert well_formed(found, latency.CASE, 1) == wanted


def test_recommend_recovery_and_memory(broker: Cluster) -> None:
    rate = {(ours.NAME, "users_per_s")}
    assert well_formed(recommend.measure(broker, 2, 40, quiet), recommend.CASE, 2) == rate
    assert well_formed(recovery.measure(broker, 2, 400, quiet), recovery.CASE, 2) == rate
    assert len(well_formed(memory.measure(broker, 1, 20_000, quiet), memory.CASE, 1)) == 5


def test_scale_measures_every_axis(broker: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "CHECK_EVERY", 1)
    monkeypatch.setattr(scale, "JOINING_S", 2.0)
    axes = scale.Axes(workers=(2,), partitions=(3,), users=(300,), dims=(16,))
    found = scale.measure(broker, axes, 1, 800, quiet)
    names = ("2 workers", "3 partitions", "300 users", "16 dims")
    wanted = {(name, metric) for name in names for metric, _ in throughput.METRICS}
    assert well_formed(found, scale.CASE, 1) == wanted
