"""What `interestflow replay` says of a difference."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from streams.commands.main import app
from streams.history.replay import Verdict


def test_a_difference_names_the_exception_that_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Verdict(users=2, events=9, differing=["ann"], missing=[], begins={})
    monkeypatch.setattr("streams.history.replay.verify", lambda settings: verdict)
    done = CliRunner().invoke(app, ["replay"])
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "for example for ann" in said
    assert "where an item has another title or text since, the vectors of its users differ" in said
    assert "docs/guarantees.md" in said
