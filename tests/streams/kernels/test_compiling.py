"""Where nothing can be compiled or kept, the worker says so and goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest

from streams.interest.base import unit
from streams.kernels import compiling
from streams.kernels.compiling import Kernel, choose, compiled, numpy_only

VECTORS = np.array([[3.0, 4.0]], dtype=np.float32)


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    assert compiled()
    yield
    compiling._Switch.wanted, compiling._Switch.works, compiling._Switch.kept = True, True, True


def test_where_numba_cannot_compile_numpy_does_it_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("no LLVM here")

    monkeypatch.setattr(numba, "njit", broken)
    compiling._Switch.works = None
    assert not compiled()
    assert not compiled()
    assert [line for line in caplog.messages if "no LLVM here" in line] == [
        "numba cannot compile here (OSError: no LLVM here): the fold runs in numpy"
    ]
    assert unit(VECTORS).tolist() == [[np.float32(0.6), np.float32(0.8)]]


def test_without_a_folder_to_keep_it_in_each_start_compiles(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    njit = numba.njit

    def no_folder(types: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function 'double': no locator available for file 'x.py'")
        return njit(types, **options)

    monkeypatch.setattr(numba, "njit", no_folder)

    def double(number: Any) -> Any:
        return 2 * number

    assert Kernel(double, "i8")(21) == Kernel(double, "i8")(21) == 42
    assert caplog.text.count("NUMBA_CACHE_DIR") == 1


def test_the_settings_choose(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        choose(False)
        choose(False)
    assert (compiled(), caplog.text.count("INTERESTFLOW_COMPILED")) == (False, 1)
    choose(True)
    assert compiled()
    with numpy_only():
        assert not compiled()
    assert compiled()
