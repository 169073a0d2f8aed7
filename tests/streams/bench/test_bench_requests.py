"""`bench requests` measures what it says, on what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.bench.requests import indexes, spaces
from streams.bench.requests.workload import Workload
from streams.commands.bench import bench_cli
from streams.kernels.compiling import compiled

pytestmark = pytest.mark.skipif(not compiled(), reason="requests are measured with compiled code")


def measured(folder: Path, *options: str) -> list[dict[str, Any]]:
    file = folder / "rows.json"
    result = CliRunner().invoke(
        bench_cli, ["requests", "--items", "600", "--runs", "1", "--json", str(file), *options]
    )
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(file.read_text())
    return rows


def test_lists_are_measured_alone_and_together(tmp_path: Path) -> None:
    rows = measured(tmp_path, "--case", "list")
    assert {(row["engine"], row["metric"]) for row in rows} == {
        (engine, f"CPU, {way}")
        for engine in ("hybrid", "content")
        for way in ("alone", "32 together", "32 together, with reasons")
    }
    assert all(row["median"] > 0 for row in rows)


def test_recall_is_that_of_the_nearest_and_what_is_not_installed_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "find_spec", lambda name: None)
    rows = measured(tmp_path, "--case", "nearest", "--peer", "usearch")
    recall = {(row["case"], row["engine"]): row["median"] for row in rows if row["metric"] == "recall@100"}
    assert {case for case, _ in recall} == {"nearest, 600 items, alike", "nearest, 600 items, random"}
    for (_, engine), value in recall.items():
        if engine == "usearch":
            assert value is None
        else:
            assert value >= (0.9 if engine == indexes.OURS else 1.0)


def test_titles_come_once_and_then_as_copies_near_them() -> None:
    texts = spaces.random(100, 16, 1)
    found = spaces.titles(texts, 400, 2)
    assert np.allclose(found[:100], texts, atol=1e-6)
    nearest = (found[100:] @ texts.T).max(axis=1)
    assert np.median(nearest) > 0.8
    assert not np.allclose(nearest, 1)
    assert spaces.titles(texts, 50, 2).shape == (50, 16)


def test_interests_are_near_items() -> None:
    vectors = Workload(2000, 16).vectors
    asked = spaces.interests(vectors, 30, 3)
    assert np.allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-5)
    assert np.median((asked @ vectors.T).max(axis=1)) > 0.5


def test_the_workload_is_as_a_table_holds_it() -> None:
    workload = Workload(1200, 16)
    catalog = workload.catalog()
    table, queries = workload.table(catalog), workload.queries(20)
    assert (np.diff(table.uses) <= 0).all()
    for row in (0, 300, 1199):
        for own in table.neighbours[row]:
            known = own[own >= 0].tolist()
            assert len(known) <= 3 * table.uses[row] or len(known) == 100
    queries.check(catalog, 20)
    assert all(
        set(rows.tolist()) == set(out)
        for rows, out in zip(queries.history_rows, queries.exclude, strict=True)
    )
