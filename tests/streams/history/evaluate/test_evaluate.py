"""The command, from the data set's files to the report."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.commands.main import app
from tests.streams.history.evaluate.worlds import drawn

START = datetime(2011, 1, 1, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop's file, of the visits of `drawn`."""
    lines = ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    for number, one in enumerate(drawn().visits):
        moment = (START + timedelta(milliseconds=one.time)).replace(tzinfo=None)
        lines += [
            f"{number},{10000 + row},thing {row},1,{moment},1,{one.user},UK" for row in one.rows.tolist()
        ]
    path = tmp_path / "online_retail.csv"
    path.write_text("\n".join(lines))
    return path


def run(shop: Path, out: Path, *more: str) -> Any:
    named = ("--dataset", "online-retail", "--out", str(out))
    return CliRunner().invoke(app, ["evaluate", str(shop), *named, *more])


def test_a_report_of_the_live_recommender_and_others(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERESTFLOW_ENCODER", "hashing")
    out = tmp_path / "new" / "report"
    names = ("--recommender", "content", "--recommender", "popularity", "--recommender", "random")
    result = run(shop, out, *names, "--task", "all", "--reference", "random")
    assert result.exit_code == 0, result.output
    assert "times random" in result.output
    found = json.loads((out / "report.json").read_text())
    assert found["about"]["task"] == "all"
    assert set(found["contenders"]) == {"content", "popularity", "random"}
    assert (out / "report.md").read_text().startswith("# online-retail, all")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--recommender", "popularty"), "Did you mean popularity?"),
        (("--recommender", "random", "--recommender", "random"), "named twice"),
        (("--recommender", "random", "--reference", "popularity"), "not judged"),
        (("--recommender", "random", "--limit", "1"), "no target"),
        (("--recommender", "random", "--out", "/dev/null/report"), "cannot be made"),
        (("--recommender", "random", "--dataset", "films"), "no data set"),
    ],
)
def test_what_cannot_be_done_is_said(
    shop: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = run(shop, tmp_path, *options)
    assert result.exit_code == 1
    assert message in result.output


def test_pictures(shop: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run(shop, tmp_path, "--recommender", "random").exit_code == 0
    pictures = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert pictures == ["quality-over-time.svg", "quality-per-slice.svg"]
    text = (tmp_path / "report.md").read_text()
    assert all(f"({name})" in text for name in pictures)
    first = {name: (tmp_path / name).read_bytes() for name in pictures}
    assert run(shop, tmp_path, "--recommender", "random", "--seed", "0").exit_code == 0
    assert {name: (tmp_path / name).read_bytes() for name in pictures} == first


def test_a_log_says_what_is_being_judged(shop: Path, tmp_path: Path) -> None:
    names = ("--recommender", "popularity", "--recommender", "random")
    result = run(shop, tmp_path / "report", *names, "--task", "all")
    begun = [line for line in result.stderr.splitlines() if line.endswith(" …")]
    assert begun == ["events …", "popularity …", "random …"]
