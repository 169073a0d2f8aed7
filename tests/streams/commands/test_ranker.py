"""`interestflow ranker`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.commands.main import app
from streams.recommend import RECOMMENDERS
from streams.recommend.learned.parameters import Stored
from streams.settings.settings import Settings


@pytest.mark.parametrize(("ranker", "heading"), [("linear", "2d+, 20+ events"), ("mlp", "through the units")])
def test_show_prints_the_weights_by_name(tmp_path: Path, ranker: str, heading: str) -> None:
    file = tmp_path / "ranker.bin"
    file.write_bytes(RECOMMENDERS.build("hybrid", Settings(ranker=ranker)).save())
    found = CliRunner().invoke(app, ["ranker", "show", str(file)], env={"COLUMNS": "400"})
    assert found.exit_code == 0, found.output
    assert f"{ranker} ranker, version 0" in found.output
    assert "content.z" in found.output
    assert heading in found.output


@pytest.mark.parametrize("ranker", ["linear", "mlp"])
def test_a_narrow_terminal_cuts_nothing(tmp_path: Path, ranker: str) -> None:
    file = tmp_path / "ranker.bin"
    file.write_bytes(RECOMMENDERS.build("hybrid", Settings(ranker=ranker)).save())
    found = CliRunner().invoke(app, ["ranker", "show", str(file)], env={"COLUMNS": "40"})
    assert found.exit_code == 0, found.output
    assert "…" not in found.output
    assert all(column in found.output for column in Stored.from_bytes(file.read_bytes()).columns)


def test_what_is_no_ranker_is_told(tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_bytes(b"nothing of the kind")
    found = CliRunner().invoke(app, ["ranker", "show", str(file)])
    assert (found.exit_code, "no parameters of a ranker" in found.output) == (1, True)
    assert "name a file" in CliRunner().invoke(app, ["ranker", "show"]).output
    assert "no file" in CliRunner().invoke(app, ["ranker", "show", str(tmp_path / "none")]).output
