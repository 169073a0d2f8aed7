"""The suites of this folder run over what a package adds, too, where it is installed; see tests/toys."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("kind", "suite", "name"),
    [
        ("format", "test_adapter_contract.py", "basket"),
        ("model", "test_interest_contract.py", "latest"),
        ("recommender", "test_recommender_contract.py", "toy-newest"),
    ],
)
def test_a_packages_own_is_under_contract(kind: str, suite: str, name: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / suite), "-k", name]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "toys" / kind)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
