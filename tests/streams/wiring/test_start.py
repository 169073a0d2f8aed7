"""What a worker's start must not cost."""

from __future__ import annotations

import subprocess
import sys

# Each takes from a tenth of a second to several.
LEFT_OUT = {"torch", "transformers", "onnxruntime", "sklearn", "scipy.linalg", "httpx"}


def test_a_worker_with_the_hashing_encoder_loads_no_large_library_that_it_does_not_use() -> None:
    code = (
        "import sys, streams.wiring.worker; from streams.kernels.compiling import compiled; "
        "from streams.settings.settings import Settings; from streams.wiring.encoder import build_encoder;"
        "compiled(); build_encoder(Settings(encoder='hashing'));"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert LEFT_OUT.intersection(done.stdout.split()) == set()
