"""Keeps the processes of a group running, and ends them together.

A process that ends is started again after a pause, which doubles with each end in a row. Where a restart mends
nothing, all end: a wrong setting, or the same place failing again and again without having been ready for a while.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from streams.ops.backoff import FIRST_S, LONGEST_S
from streams.ops.process import FAILED, TOO_SLOW
from streams.processes.member import Ending, Member
from streams.processes.overview import Overview

log = logging.getLogger(__name__)

# Exit statuses of a start that a person has to put right.
FINAL = (1, 2)
# Somebody else ended it, an operator or a machine without memory: that is no failure that repeats.
KILLED = (-signal.SIGKILL, -signal.SIGTERM)
# What stands before the sentence in the last line of a process.
PREFIX = re.compile(r"^(?:interestflow: |\S+ \S+ [A-Z]+ [\w.]+: )")


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient the parent is, in seconds.

    deadline_s: of a process for its end in order, which it keeps itself; margin_s: beyond it. Failures in a row count
    from the last process that had been ready for well_s.
    """

    deadline_s: float
    margin_s: float = 3.0
    first_pause_s: float = FIRST_S
    longest_pause_s: float = LONGEST_S
    well_s: float = 60.0
    most_failures: int = 5
    look_s: float = 5.0


class Supervisor:
    """Runs all members until told to stop, until each has nothing to do, or until a restart mends nothing."""

    def __init__(
        self,
        members: Sequence[Member],
        overview: Overview,
        policy: Policy,
        *,
        until_idle: bool = False,
        rng: Random | None = None,
    ) -> None:
        """until_idle: a process that ends with status 0 had nothing to do; otherwise it is started again."""
        self._members, self._overview, self._policy = members, overview, policy
        self._until_idle, self._rng = until_idle, rng or Random()
        self._stop = asyncio.Event()
        # Of the process for which all end.
        self._failed: Ending | None = None

    async def run(self) -> Ending:
        """Until the end of all; how the group ended. SIGTERM and SIGINT end it in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        keeping = [asyncio.ensure_future(self._keep(member)) for member in self._members]
        everyone = asyncio.gather(*keeping)
        watching, stopping = asyncio.ensure_future(self._watch()), asyncio.ensure_future(self._stop.wait())
        until: list[asyncio.Future[Any]] = [everyone, watching, stopping]
        try:
            await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
            slow = await self._end(keeping)
            endings = await everyone
            if watching.done():
                watching.result()
        finally:
            watching.cancel()
            stopping.cancel()
            for member in self._members:
                member.kill()
        statuses = [TOO_SLOW if one in slow else _status(e) for one, e in zip(keeping, endings, strict=True)]
        return self._failed or Ending(max(statuses))

    async def _keep(self, member: Member) -> Ending:
        """Run one process after another in this place; how the last one ended."""
        failures = kills = 0
        while True:
            ending = await member.run()
            if member.ready_for() >= self._policy.well_s:
                failures = kills = 0
            killed = ending.status in KILLED
            failures, kills = failures + (ending.status != 0 and not killed), kills + killed
            over = self._is_over(member, ending, failures)
            await asyncio.to_thread(self._overview.ended, member, over=over)
            if over:
                return ending
            pause = self._pause(failures + kills)
            log.warning(
                "process %d of %d ended %s; it is started again in %.1f s",
                member.number,
                len(self._members),
                ending,
                pause,
            )
            if await self._told_within(pause):
                return Ending(0)

    def _is_over(self, member: Member, ending: Ending, failures: int) -> bool:
        """True where no other process is to follow; where that is for a failure, all are told to end."""
        if self._stop.is_set() or (ending.status == 0 and self._until_idle):
            return True
        if ending.status not in FINAL and failures < self._policy.most_failures:
            return False
        said = f"process {member.number} of {len(self._members)} ended {ending}"
        if ending.status not in FINAL:
            said += f", {failures} times in a row"
        log.error("%s: all end", said)
        sentence = PREFIX.sub("", ending.said)
        self._failed = Ending(
            _status(ending),
            sentence if ending.status in FINAL else f"{said}: {sentence or 'it said nothing'}",
        )
        self._stop.set()
        return True

    async def _told_within(self, seconds: float) -> bool:
        """Wait so long; true at once where all are to end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return self._stop.is_set()

    def _pause(self, ends: int) -> float:
        # Bounded, since a process may be killed for ever.
        doubled = self._policy.first_pause_s * 2.0 ** min(max(0, ends - 1), 30)
        return min(doubled, self._policy.longest_pause_s) * self._rng.uniform(0.5, 1.0)

    async def _watch(self) -> None:
        while True:
            await asyncio.to_thread(self._overview.look)
            await asyncio.sleep(self._policy.look_s)

    async def _end(self, keeping: Sequence[asyncio.Future[Ending]]) -> set[asyncio.Future[Ending]]:
        """Tell all to end, and wait. Returns those that were still there at the deadline, which are ended at once."""
        self._stop.set()
        if running := [member.number for member in self._members if member.pid is not None]:
            log.info("processes %s are told to end", running)
        for member in self._members:
            member.terminate()
        _, slow = await asyncio.wait(keeping, timeout=self._policy.deadline_s + self._policy.margin_s)
        for member, one in zip(self._members, keeping, strict=True):
            if one in slow:
                log.error("process %d does not end; it is ended at once", member.number)
                member.kill()
        return slow


def _status(ending: Ending) -> int:
    """The exit status that says the same of the whole group. A process may be told to end before it can in order."""
    if ending.status < 0:
        return 0 if ending.status == -signal.SIGTERM else FAILED
    return ending.status
