"""Compiles the kernels, and says whether they are used.

numba compiles a kernel once per machine and keeps the result beside the source; where that folder is read-only in
the user's cache folder, or in NUMBA_CACHE_DIR. Without any of them each process compiles anew. No kernel lets the
compiler reorder or fuse arithmetic, so that every bit is as numpy's. A kernel runs without Python's lock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, TypeVar

import numpy as np

from streams import kernels

log = logging.getLogger(__name__)

numba: Any = None
_import_error: Exception | None = None
try:
    numba = import_module("numba")
except Exception as error:  # no wheel, or an LLVM that does not load: numpy does the same
    _import_error = error

F = TypeVar("F", bound=Callable[..., Any])

# "numpy": divisions give infinities, as numpy's do, and no exception.
OPTIONS = {"nogil": True, "fastmath": False, "error_model": "numpy"}


class Kernel:
    """A function of arrays and numbers, compiled for one signature."""

    def __init__(self, function: Callable[..., Any], signature: str) -> None:
        self.function, self._signature = function, signature
        self._compiled: Callable[..., Any] | None = None

    def compile(self) -> None:
        """Compile it, or load what was compiled before. Raises what numba raises."""
        types = tuple(map(_type, self._signature.split()))
        try:
            self._compiled = numba.njit(types, cache=True, **OPTIONS)(self.function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            _tell_not_kept()
            self._compiled = numba.njit(types, **OPTIONS)(self.function)

    def __call__(self, *arguments: Any) -> Any:
        if self._compiled is None:
            self.compile()
            assert self._compiled is not None
        return self._compiled(*arguments)


class _Switch:
    """Whether kernels are used. wanted: as the settings say. suspended: whatever they say (see `numpy_only`).
    works: None until they were compiled.

    kept: false once the log says that there is no folder.
    """

    wanted, suspended, kept = True, False, True
    works: bool | None = None


def _tell_not_kept() -> None:
    if _Switch.kept:
        _Switch.kept = False
        log.warning("no folder to keep compiled code in, so each start compiles: set NUMBA_CACHE_DIR")


_kernels: list[Kernel] = []


def kernel(signature: str) -> Callable[[Callable[..., Any]], Kernel]:
    """A kernel, compiled at its first use.

    signature: one word per argument, a numpy type by its code: `i8` a number; `i8:C1` an array without gaps of one
    dimension; `f4:A2!` one of two with any strides, which is written to.
    """

    def named(function: Callable[..., Any]) -> Kernel:
        _kernels.append(Kernel(function, signature))
        return _kernels[-1]

    return named


def helper(function: F) -> F:
    """A part of kernels of the same file: a compiled kernel is kept until its own file changes."""
    if numba is None:
        return function
    compiled: F = numba.njit(**OPTIONS)(function)
    return compiled


def intrinsic(function: Callable[..., Any]) -> Any:
    """What a helper calls that Python has no words for: it writes the instructions itself."""
    return function if numba is None else import_module("numba.extending").intrinsic(function)


def choose(wanted: bool) -> None:
    """Use the kernels in this process, or their numpy twins."""
    if not wanted and _Switch.wanted:
        log.info("the fold runs in numpy: INTERESTFLOW_COMPILED is false")
    _Switch.wanted = wanted


def compiled() -> bool:
    """True where kernels are to be used; the first call compiles them all."""
    if _Switch.suspended or not _Switch.wanted:
        return False
    if _Switch.works is None:
        _Switch.works = _compile_all()
    return _Switch.works


def ready() -> bool:
    """True where kernels are to be used and are compiled: for threads that must not wait until they are."""
    return _Switch.works is True and compiled()


@contextmanager
def numpy_only() -> Iterator[None]:
    """Within it numpy does all, whatever flow is built."""
    before, _Switch.suspended = _Switch.suspended, True
    try:
        yield
    finally:
        _Switch.suspended = before


def _compile_all() -> bool:
    try:
        if _import_error is not None:
            raise _import_error
        if numba.config.DISABLE_JIT:
            raise RuntimeError("NUMBA_DISABLE_JIT is set")
        _leave_out_scipy()
        for file in walk_packages(kernels.__path__, f"{kernels.__name__}."):
            import_module(file.name)
        for one in _kernels:
            one.compile()
    except Exception as error:  # whatever numba or LLVM lack on this machine: numpy does the same
        log.warning("numba cannot compile here (%s: %s): the fold runs in numpy", type(error).__name__, error)
        return False
    return True


def _leave_out_scipy() -> None:
    """Let numba find no matrix library while it sees what there is: it would import scipy.linalg, 0.2 s of a start.

    No kernel multiplies matrices. What else numba compiles in this process takes a loop for an inner product then.
    """
    linalg: Any = import_module("numba.np.linalg")
    find, linalg.ensure_blas = linalg.ensure_blas, _no_matrix_library
    try:
        import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = find


def _no_matrix_library() -> None:
    raise ImportError("left out")


def _type(word: str) -> Any:
    """numba's type of a word of a signature. An array may lie at any address and be read-only, unless written to."""
    code, _, shape = word.partition(":")
    number = numba.from_dtype(np.dtype(code))
    if not shape:
        return number
    return numba.types.Array(number, int(shape[1]), shape[0], readonly=not shape.endswith("!"), aligned=False)
