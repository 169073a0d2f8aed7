"""One poison among many: found by halving, each part in order, and told from a fault that everything has.

What fails together with a thing that is known to be good is a bug or an outage, and no poison: then the error
goes on, and whoever called ends, or waits, with nothing acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from traceback import extract_tb
from typing import TypeVar

from streams.events.rejections import Reason, Rejected

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)

# So many that fail in one batch, with not one that does not, are taken for a bug that the known good one misses.
MANY = 8
LONGEST_MESSAGE = 300
# So often must one thing fail, a known good one going well behind each, to be a poison.
ATTEMPTS = 3


class EverythingFailsError(RuntimeError):
    """What failed is not one event: known good ones fail as well. Its cause is the first error."""


def isolate(
    count: int, attempt: Callable[[range], R], probe: Callable[[], object]
) -> tuple[list[R], dict[int, Exception]]:
    """Attempt 0 … count - 1 in one go; where that fails, in halves, in order, down to single ones.

    attempt: of a run of indices; must leave no trace where it raises. probe: does the same with what is known to
    be good. Returns the results of the runs that went well, and the error of each index that fails by itself:
    O(log count) attempts per error. Raises EverythingFailsError, MemoryError.
    """
    done: list[R] = []
    failed: dict[int, Exception] = {}
    everything = range(count)
    try:
        return [attempt(everything)], failed
    except MemoryError:  # says nothing of what was attempted
        raise
    except Exception as error:  # whatever it is: that is the point of asking which one it comes with
        require(probe, error)
        _halve(everything, error, attempt, probe, done, failed)
    return done, check_some(failed, count)


def each(
    items: Sequence[T],
    read: Callable[[T], R],
    stage: str,
    probe: Callable[[], object],
    at_once: Callable[[], list[R]] | None = None,
) -> Sequence[R | Rejected]:
    """`read` of each; what it raises for one becomes that one's rejection. Raises as `isolate`.

    at_once: the same for all of them, where there is a faster way.
    """
    try:
        return at_once() if at_once else [read(item) for item in items]
    except MemoryError:  # see isolate
        raise
    except Exception as error:  # see isolate
        require(probe, error)
    results: list[R | Rejected] = []
    failed: dict[int, Exception] = {}
    for index, item in enumerate(items):
        try:
            results.append(read(item))
        except Exception as error:  # see isolate
            require(probe, error)
            failed[index] = error
            results.append(unexpected(error, stage))
    check_some(failed, len(items))
    return results


def unexpected(error: Exception, stage: str) -> Rejected:
    """The rejection of what raised an error that nobody foresaw."""
    kind = type(error)
    where = extract_tb(error.__traceback__)[-1:]
    place = ", ".join(f"{frame.filename}:{frame.lineno}" for frame in where)
    log.warning("one record was isolated at %s: %s at %s", stage, kind.__name__, place or "an unknown place")
    reason = Reason.NOT_FINITE if isinstance(error, FloatingPointError) else Reason.HANDLING_FAILED
    message = f"{kind.__name__}: {error}"[:LONGEST_MESSAGE]
    return Rejected(reason, message, stage, f"{kind.__module__}.{kind.__qualname__}")


def require(probe: Callable[[], object], error: Exception) -> None:
    """Raises EverythingFailsError where what is known to be good fails too."""
    try:
        probe()
    except Exception as again:  # see isolate
        message = f"not one record fails but every one, a known good one too: {type(error).__name__}: {error}"
        log.debug("the known good one failed", exc_info=again)
        raise EverythingFailsError(message) from error


def check_some(failed: dict[int, Exception], count: int) -> dict[int, Exception]:
    """The same; raises EverythingFailsError where they are many and all that there were."""
    if len(failed) == count >= MANY:
        error = failed[0]
        raise EverythingFailsError(
            f"all {count} records of a batch fail: {type(error).__name__}: {error}"
        ) from error
    return failed


def _halve(
    run: range,
    error: Exception,
    attempt: Callable[[range], R],
    probe: Callable[[], object],
    done: list[R],
    failed: dict[int, Exception],
) -> None:
    if len(run) <= 1:
        if not run:
            raise error
        confirmed = _confirm(run, error, attempt, probe, done)
        if confirmed is not None:
            failed[run[0]] = confirmed
        return
    middle = len(run) // 2
    for half in (run[:middle], run[middle:]):
        try:
            done.append(attempt(half))
        except MemoryError:  # see isolate
            raise
        except Exception as own:  # see isolate
            _halve(half, own, attempt, probe, done, failed)


def _confirm(
    run: range, error: Exception, attempt: Callable[[range], R], probe: Callable[[], object], done: list[R]
) -> Exception | None:
    """The error of one thing that fails again and again, while what is known to be good does not; None where it goes
    well after all.

    An outage that ends between the failure and the probe looks like a poison: it takes as many of them as there are
    attempts to be taken for one.
    """
    for _ in range(ATTEMPTS - 1):
        require(probe, error)
        try:
            done.append(attempt(run))
        except MemoryError:  # see isolate
            raise
        except Exception as own:  # see isolate
            error = own
        else:
            return None
    require(probe, error)
    return error
