"""Fixtures for all tests. Those that need a broker are in tests/broker/conftest.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of the real data sets; the test is skipped where there is none."""
    given = os.environ.get("INTERESTFLOW_TEST_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not here: name their folder in INTERESTFLOW_TEST_DATA")
    return folder
