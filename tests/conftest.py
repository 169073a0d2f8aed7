"""Fixtures for all tests. Those that need a broker are in tests/broker/conftest.py."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

ROOT = Path(__file__).parent.parent
PREFIX = "INTERESTFLOW_"

# How long an example takes on a busy machine says nothing of the law.
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")

# Whoever runs the tests in the background has SIGINT ignored, and every process inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Settings in the environment of whoever runs the tests reach none of them, nor do a test's the next."""
    before = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    for name in before:
        if not name.startswith("INTERESTFLOW_TEST_"):
            del os.environ[name]
    yield
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of the real data sets; the test is skipped where there is none."""
    given = os.environ.get("INTERESTFLOW_TEST_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not here: name their folder in INTERESTFLOW_TEST_DATA")
    return folder
