"""Baselines in `interestflow evaluate`: by name, and tuned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.commands.main import app
from streams.history.evaluate.contenders import known_names, needs_vectors
from tests.streams.history.evaluate.shop import shop_file


def run(folder: Path, *more: str) -> Any:
    named = ("--dataset", "online-retail", "--out", str(folder / "report"))
    return CliRunner().invoke(app, ["evaluate", str(shop_file(folder)), *named, *more])


def test_baselines_are_judged_with_the_parameters_that_tuning_found(tmp_path: Path) -> None:
    names = ("--recommender", "co_visitation", "--recommender", "popularity")
    result = run(tmp_path, *names, "--tune", "3", "--method", "grid", "--task", "all")
    assert result.exit_code == 0, result.output
    about = json.loads((tmp_path / "report" / "report.json").read_text())["about"]
    assert about["tuning trials"] == 3
    # Nothing can be tuned of popularity.
    assert "popularity tuned to" not in about


def test_a_baseline_of_vectors_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTFLOW_ENCODER", "hashing")
    assert run(tmp_path, "--recommender", "decayed_content").exit_code == 0
    assert [name for name in known_names() if needs_vectors(name)] == ["content", "hybrid", "decayed_content"]
