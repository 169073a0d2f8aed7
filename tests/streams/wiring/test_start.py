"""What a start must not cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each takes from a tenth of a second to several.
LARGE = {"torch", "transformers", "onnxruntime", "sklearn", "scipy.linalg", "httpx"}
A_WORKER = (
    "import streams.wiring.worker; from streams.kernels.compiling import compiled; "
    "from streams.settings.settings import Settings; from streams.wiring.encoder import build_encoder; "
    "compiled(); build_encoder(Settings(encoder='hashing'))"
)


@pytest.mark.parametrize(
    ("start", "left_out"),
    [(A_WORKER, LARGE), ("import streams.processes.group", {*LARGE, "numba", "faust"})],
    ids=["worker", "parent of workers"],
)
def test_no_large_library_is_loaded_that_is_not_used(start: str, left_out: set[str]) -> None:
    code = f"import sys; {start}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert left_out.intersection(done.stdout.split()) == set()
