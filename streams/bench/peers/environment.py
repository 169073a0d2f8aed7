"""The environments of the other engines of Python.

Their packages would hold the product's back (Quix Streams wants an older confluent-kafka), so they are installed by uv
into folders of their own the first time that they are asked for.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from streams.bench.errors import BenchError
from streams.bench.process import problem_of
from streams.local_kafka import local_kafka

INSTALL_DEADLINE_S = 600.0


class Packages(NamedTuple):
    """An environment: the name of its folder, what it holds, and what is installed into it."""

    folder: str
    holds: str
    requirements: tuple[str, ...]

    def home(self) -> Path:
        """Its folder."""
        return local_kafka.default_home().parent / self.folder


# What `arithmetic.py` and the scripts need, beside their engine.
ARITHMETIC = "numpy==2.4.6", "orjson==3.13.0"
SHARED = Packages(
    "bench-peers-venv",
    "the other engines",
    (
        "quixstreams==3.28.1",
        "bytewax==0.21.1",
        "faust-streaming==0.15.3",
        "aiokafka==0.14.0",
        "confluent-kafka==2.12.2",
        *ARITHMETIC,
    ),
)
# Apart, for it brings over a hundred packages, 1.2 GB.
PATHWAY = Packages("bench-pathway-venv", "Pathway", ("pathway==0.33.0", *ARITHMETIC))


def ready(packages: Packages, say: Callable[[str], None]) -> Path:
    """Their Python, made on demand. Raises BenchError that says what to do."""
    folder = packages.home()
    python, stamp = folder / "bin" / "python", folder / "requirements"
    wanted = blake2b(" ".join((sys.version, *packages.requirements)).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    say(f"installing {packages.holds} into {folder} (once)")
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise BenchError(f"{packages.holds} are installed by uv, which is not here: run `pip install uv`")
    _run(packages, [uv, "venv", "--clear", "--python", sys.executable, str(folder)])
    _run(packages, [uv, "pip", "install", "--python", str(python), *packages.requirements])
    stamp.write_text(wanted)
    return python


def _run(packages: Packages, command: list[str]) -> None:
    if (said := problem_of(command, INSTALL_DEADLINE_S)) is not None:
        raise BenchError(
            f"{packages.holds} cannot be installed: `{' '.join(command)}` failed: {said}. That "
            f"needs Python 3.11 or 3.12 and a package index; or leave out what is missing, with --engine interestflow"
        )
