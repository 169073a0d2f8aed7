"""What operators see of a group of processes: one set of metrics, alive and ready as a whole."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.ops.collectors import PREFIX
from streams.processes.line import Report, ask
from streams.processes.member import Member
from streams.processes.totals import Totals

log = logging.getLogger(__name__)

# Seconds for an answer of a process that can be asked.
PATIENCE_S = 2.0


class Overview(Collector):
    """Asks the processes whenever it is asked itself. Any thread; one at a time."""

    def __init__(self, members: Sequence[Member], patience_s: float = PATIENCE_S) -> None:
        """members: all places, in the order of their numbers."""
        self._members, self._patience = members, patience_s
        self._totals = Totals(len(members))
        self._asking = threading.Lock()
        # Places whose process ended because it had nothing to do, and what the others answered last.
        self._over: set[int] = set()
        self._reports: dict[int, Report] = {}
        self._silent: set[int] = set()
        self._restarts = 0
        self._was_ready = False
        self.registry = CollectorRegistry()
        self.registry.register(self)

    @property
    def alive(self) -> bool:
        """False where a process that runs did not answer, or said so itself, when it was asked last."""
        return not self._silent and all(told.alive for told in self._reports.values())

    def readiness(self) -> tuple[bool, str]:
        """Ask. True where every process is ready; else the reason of the first that is not."""
        self.look()
        for member in self._members:
            if member.number not in self._over and (reason := self._reason(member)) is not None:
                return False, f"process {member.number} of {len(self._members)}: {reason}"
        return (True, "") if len(self._over) < len(self._members) else (False, "stopped")

    def look(self) -> None:
        """Ask every process, and keep what it counts."""
        with self._asking:
            self._look()
            ready = self._all_ready()
            if ready and not self._was_ready:
                log.info("all %d processes are ready", len(self._members))
            self._was_ready = ready

    def ended(self, member: Member, *, over: bool) -> None:
        """The process in a place has ended: keep its last counts. over: no other one will run there."""
        with self._asking:
            if member.line is not None and (told := member.line.hear()) is not None:
                self._totals.take(member.number, told)
            member.line = None
            self._reports.pop(member.number, None)
            self._silent.discard(member.number)
            self._totals.renew(member.number)
            if over:
                self._over.add(member.number)
            else:
                self._restarts += 1

    def collect(self) -> Iterator[Metric]:
        """Ask. The metrics of all processes as one, and how many of them run and are ready."""
        with self._asking:
            self._look()
            shown = [*self._totals.metrics(self._reports), *self._own()]
        yield from shown

    def _look(self) -> None:
        lines = {member.line: member for member in self._members if member.line is not None}
        answers = ask(list(lines), self._patience)
        self._reports, self._silent = {}, set()
        for line, member in lines.items():
            if (told := answers.get(line)) is None:
                if line.heard and line.open:
                    self._silent.add(member.number)
                continue
            self._reports[member.number] = told
            self._totals.take(member.number, told)
            if told.ready and member.ready_since is None:
                member.ready_since = time.monotonic()

    def _all_ready(self) -> bool:
        return len(self._reports) == len(self._members) and all(one.ready for one in self._reports.values())

    def _reason(self, member: Member) -> str | None:
        """Why a process is not ready; None where it is."""
        told = self._reports.get(member.number)
        if told is not None:
            return None if told.ready else told.reason
        return "it does not answer" if member.number in self._silent else "starting"

    def _own(self) -> Iterator[Metric]:
        about = "Processes of the command: all, those that answer, and those that are ready"
        processes = GaugeMetricFamily(f"{PREFIX}processes", about, labels=["state"])
        processes.add_metric(["all"], len(self._members))
        processes.add_metric(["answering"], len(self._reports))
        processes.add_metric(["ready"], sum(told.ready for told in self._reports.values()))
        yield processes
        about = "Processes that ended and were started again"
        yield CounterMetricFamily(f"{PREFIX}process_restarts", about, value=self._restarts)
