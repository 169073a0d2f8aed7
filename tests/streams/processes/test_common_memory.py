"""What processes do where they cannot share memory."""

from __future__ import annotations

import os
import sys

import pytest

from streams.processes import common_memory
from streams.recommend.rows.arena import Arena
from streams.settings.settings import Settings
from streams.wiring.app import build_rows

SETTINGS = Settings(encoder="hashing", dimensions=16)
linux = pytest.mark.skipif(sys.platform != "linux", reason="the memory is Linux's")


@linux
def test_a_system_that_forbids_it_leaves_each_its_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(name: str) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", forbidden)
    assert common_memory.make() == ()
    assert "Operation not permitted" in caplog.text
    assert build_rows(SETTINGS, ()) is None


@linux
def test_a_process_with_another_dimension_has_vectors_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    control, vectors = made = common_memory.make()
    rows = build_rows(SETTINGS, made)
    assert rows is not None
    assert rows.shared
    assert not any(os.get_inheritable(one) for one in made)
    Arena(control, vectors, 16)
    assert build_rows(Settings(encoder="hashing", dimensions=8), made) is None
    assert "vectors of 16 dimensions, not 8" in caplog.text
    for one in made:
        os.close(one)
