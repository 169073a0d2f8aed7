"""What kind of lists a contender gives, and how a setting changes both that and its accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.catalog.items import Item
from streams.commands.main import app
from streams.history.evaluate.tradeoffs.lists import ListKinds
from streams.history.evaluate.tradeoffs.varying import VaryError, curves, entrants, parse
from tests.streams.history.evaluate.shop import shop_file

ITEMS = [Item("a", categories=["x"]), Item("b", attributes={"author": "x"}), Item("c", categories=["x", "y"])]


def test_shares_and_diversity() -> None:
    vectors = np.array([[2, 0], [0, 1], [3, 0]], dtype=np.float32)
    kinds = ListKinds(ITEMS, vectors, ["categories:x", "author:x", "cold"])
    kinds.add(np.array([0, 1]), np.array([1, 5, 9]))
    kinds.add(np.array([0, 2]), np.array([3, 5, 9]))
    kinds.add(np.array([2]), np.array([3, 5, 9]))
    assert kinds.figures() == {
        "diversity@10": pytest.approx(0.5),
        "share of cold": pytest.approx(0.2),
        "share of categories:x": pytest.approx(0.8),
        "share of author:x": pytest.approx(0.2),
    }


def test_without_lists_or_vectors_nothing_is_known() -> None:
    assert all(np.isnan(list(ListKinds(ITEMS).figures().values())))


def test_each_value_is_a_contender_of_its_own() -> None:
    judged = entrants(
        ["hybrid", "popularity"], ["hybrid"], ["ranking_diversity=0,0.5", "ranking_floors=cold=0.1"]
    )
    assert [(one.label, dict(one.values)) for one in judged] == [
        ("hybrid ranking_diversity=0", {"ranking_diversity": 0}),
        ("hybrid ranking_diversity=0.5", {"ranking_diversity": 0.5}),
        ("hybrid ranking_floors=cold=0.1", {"ranking_floors": "cold=0.1"}),
        ("popularity", {}),
    ]
    assert curves(judged)["hybrid ranking_diversity"][1] == ("0.5", "hybrid ranking_diversity=0.5")


WRONG = [
    "ranking_diversity",
    "ranking_diversity=",
    "top_kk=1",
    "encoder=a,b",
    "exclude_consumed=true",
    "ranking_rate=1,1",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_varied_is_said(wrong: str) -> None:
    with pytest.raises(VaryError, match=r"VALUE|can:"):
        parse(wrong)


def test_a_report_of_a_varied_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTFLOW_ENCODER", "hashing")
    command = ["evaluate", str(shop_file(tmp_path)), "--dataset", "online-retail", "--out", str(tmp_path)]
    named = ["--recommender", "hybrid", "--recommender", "random", "--task", "all"]
    varied = ["--vary", "ranking_diversity=0,3", "--vary", "ranking_floors=cold=0,cold=0.6"]
    result = CliRunner().invoke(app, [*command, *named, *varied])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "report.json").read_text())
    figures = {name: one["figures"] for name, one in found["contenders"].items()}
    plain, diverse = (figures[f"hybrid ranking_diversity={value}"] for value in (0, 3))
    assert diverse["diversity@10"] > plain["diversity@10"]
    free, floored = (figures[f"hybrid ranking_floors=cold={share}"] for share in (0, 0.6))
    assert floored["share of cold"] >= free["share of cold"]
    assert list(found["curves"]) == ["hybrid ranking_diversity", "hybrid ranking_floors"]
    page = (tmp_path / "report.md").read_text()
    assert "## hybrid ranking_diversity" in page
    assert ("trade-offs.svg" in page) == (tmp_path / "trade-offs.svg").exists()


def test_a_value_that_no_setting_takes_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTFLOW_ENCODER", "hashing")
    command = ["evaluate", str(shop_file(tmp_path)), "--dataset", "online-retail", "--out", str(tmp_path)]
    for varied in ("ranking_diversity=-1", "ranking_caps=categories"):
        result = CliRunner().invoke(app, [*command, "--recommender", "hybrid", "--vary", varied])
        assert result.exit_code == 1
        assert varied.replace("=", " ") in result.output


def test_what_nobody_reads_cannot_be_varied() -> None:
    with pytest.raises(VaryError, match="nobody judged here reads ranking_diversity"):
        entrants(["popularity"], [], ["ranking_diversity=0,1"])
