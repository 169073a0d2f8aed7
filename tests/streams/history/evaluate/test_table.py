"""`interestflow evaluate --table`: several columns, and results that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.commands.main import app
from streams.history.evaluate.contenders import EvaluateError
from streams.history.evaluate.table.columns import read_columns
from tests.streams.history.evaluate.shop import shop_file

COLUMN = 'name = "{0}"\ndata = "online_retail.csv"\ndataset = "online-retail"\n'
TABLE = "\n".join(
    ("[[column]]", COLUMN.format("all uses"), 'task = "all"', "[[column]]", COLUMN.format("new ones"))
)


def written(folder: Path, text: str = TABLE) -> Path:
    shop_file(folder)
    path = folder / "columns.toml"
    path.write_text(text)
    return path


def run(folder: Path, *more: str) -> Any:
    named = ("--table", str(folder / "columns.toml"), "--out", str(folder / "out"))
    return CliRunner().invoke(app, ["evaluate", *named, *more])


NAMES = ("--recommender", "co_visitation", "--recommender", "popularity", "--tune", "2")


def test_a_table_beside_the_best_method_of_each_column(tmp_path: Path) -> None:
    written(tmp_path)
    result = run(tmp_path, *NAMES)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(found) == ["all uses", "new ones"]
    for column in found.values():
        ratios = {name: one["of the reference"]["value"] for name, one in column["contenders"].items()}
        assert ratios[column["reference"]] == 1.0 == max(ratios.values())
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| times the best method | all uses | new ones |" in page
    assert "all uses" in result.output
    assert "best method" in result.output
    assert (tmp_path / "out" / "new ones" / "report.md").is_file()


def test_what_was_judged_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    assert run(tmp_path, *NAMES).exit_code == 0
    first = (tmp_path / "out" / "report.json").read_text()
    judge = "streams.history.evaluate.run.Judge.run"
    with monkeypatch.context() as patched:
        patched.setattr(judge, lambda *given: pytest.fail("it was judged again"))
        again = run(tmp_path, *NAMES)
    assert again.exit_code == 0, again.output
    assert (tmp_path / "out" / "report.json").read_text() == first
    # Another search is another question, and a damaged file is no answer.
    for path in (tmp_path / "out").rglob("popularity-*.npz"):
        path.write_bytes(path.read_bytes()[:-40])
    judged = []
    monkeypatch.setattr(
        "streams.history.evaluate.run.Kept.put", lambda kept, question, *rest: judged.append(question)
    )
    assert run(tmp_path, *NAMES[:4], "--tune", "3").exit_code == 0
    assert [one.name for one in judged] == ["co_visitation", "popularity"] * 2


def test_other_code_does_not_read_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    code = "streams.history.evaluate.run.fingerprints.of_code"
    for version in ("one", "two"):
        monkeypatch.setattr(code, lambda name, version=version: version)
        assert run(tmp_path, "--recommender", "popularity").exit_code == 0
        kept = [path.name for path in (tmp_path / "out" / "all uses").rglob("*.npz")]
        assert len(kept) == 1
        assert kept[0].endswith(f"-{version}.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[column]", "cannot be read"),
        ("other = 1", "nothing else"),
        ('[[column]]\nname = "a"', "lacks data, dataset"),
        ("[[column]]\n" + COLUMN.format("a") + "tasks = 1", "has no tasks"),
        ("[[column]]\n" + COLUMN.format("a") + 'task = "some"', "task is all or novel"),
        ("[[column]]\n" + COLUMN.format("a") + "limit = 0", "limit is a number of events"),
        ("[[column]]\n" + COLUMN.format("../a"), "fit for a folder"),
        ("[[column]]\n" + COLUMN.format("a").replace("online-retail", "films"), "no data set"),
        (2 * ("[[column]]\n" + COLUMN.format("a")), "two columns of one name"),
    ],
)
def test_a_file_that_names_no_columns(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EvaluateError, match=message):
        read_columns(written(tmp_path, text))


def test_a_table_or_data_or_kafka(tmp_path: Path) -> None:
    written(tmp_path)
    assert "give DATA" in run(tmp_path, "--dataset", "movielens").output
    assert "give DATA" in run(tmp_path, "--kafka").output
    assert "give DATA" in CliRunner().invoke(app, ["evaluate", "--out", str(tmp_path)]).output


def test_a_column_has_settings_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, TABLE + "[column.settings]\nhistory_length = -5\n")
    assert "history_length -5" in run(tmp_path, *NAMES).output
