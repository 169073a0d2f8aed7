"""What is to be judged, and the judging of it, one contender after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress
from threadpoolctl import threadpool_limits

from streams.history.evaluate.asked import AfterVisit
from streams.history.evaluate.contenders import Builder, lives, needs_vectors
from streams.history.evaluate.judge import Judge, Task, resident_bytes
from streams.history.evaluate.judged import Judged
from streams.history.evaluate.live.contender import Circumstances
from streams.history.evaluate.live.questions import Frozen
from streams.history.evaluate.live.space import Space
from streams.history.evaluate.live_tuning import with_values
from streams.history.evaluate.sources.files import Source, Told
from streams.history.evaluate.table import fingerprints
from streams.history.evaluate.table.kept import Kept, Question
from streams.history.evaluate.tradeoffs.lists import ListKinds
from streams.history.evaluate.tradeoffs.varying import Entrant
from streams.history.evaluate.tuning import Method, Search
from streams.history.evaluate.visits import Stream
from streams.settings.settings import Settings

KEPT = "kept"
Outcome = tuple[Judged, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be judged, and how.

    reference: to which the others are compared; the first contender by default. delay, frozen: see Circumstances.
    tune: trials by which each baseline's parameters are chosen on the first half; 0 for the defaults.
    method: of that search. after_visit: ask right behind the user's last visit, as a worker does. vary: settings of
    the recommenders that a worker may run, as `NAME=VALUE,VALUE`.
    """

    source: Source
    task: Task
    names: list[str]
    out: Path
    k: int = 20
    seed: int = 0
    limit: int | None = None
    delay: int = 0
    frozen: Frozen | None = None
    reference: str | None = None
    tune: int = 0
    method: Method = "random"
    after_visit: bool = False
    vary: tuple[str, ...] = ()


class Run:
    """Judges the contenders of a plan one after the other, so that costs are told apart."""

    def __init__(
        self, settings: Settings, plan: Plan, entered: Sequence[Entrant], stream: Stream, bar: Progress
    ) -> None:
        self._plan, self._entered, self._stream, self._bar = plan, entered, stream, bar
        self._kept = Kept(plan.out / KEPT)
        self._settings = {
            one.label: with_values(settings, one.values) if one.values else settings for one in entered
        }
        space: Space | None = None
        if any(map(needs_vectors, plan.names)):
            with told(bar, "items") as tell:
                space = plan.source.space(settings, stream, plan.out, tell)
        circumstances = Circumstances(plan.task == "all", plan.delay, plan.frozen, plan.after_visit)
        self._builder = Builder(stream, plan.task, plan.seed, space, circumstances)
        self._data = fingerprints.of_stream(stream)
        self._vectors = None if space is None else fingerprints.of_space(space)
        # Of items, for which any contender has a floor.
        self._groups = list(
            dict.fromkeys(group for own in self._settings.values() for group in own.ranking.floor_shares())
        )

    def outcomes(self) -> list[Outcome]:
        """In the order in which they entered. Those that are kept are read."""
        return [self._outcome(one) for one in self._entered]

    def _outcome(self, one: Entrant) -> Outcome:
        question = self._question(one)
        kept = self._kept.find(question)
        if kept is not None:
            with told(self._bar, f"{one.label}, kept") as tell:
                tell(1, 1)
            return kept
        judged, parameters = self._judge(one)
        self._kept.put(question, judged, parameters)
        return judged, parameters

    def _judge(self, one: Entrant) -> Outcome:
        plan, parameters = self._plan, one.values
        if plan.tune and not lives(one.name):
            with told(self._bar, f"{one.label}, tuning") as tell:
                how = Search(plan.method, plan.tune, plan.seed)
                parameters = dict(self._builder.tuned(one.name, how, tell))
        with told(self._bar, one.label) as tell, _threads(one.name):
            contender = self._builder.build(one.name, parameters)
            if plan.after_visit:
                contender = AfterVisit(contender, self._stream, plan.task, plan.k)
            judge = Judge(
                self._stream, plan.task, plan.k, progress=tell, kinds=self._kinds(), resident=resident_bytes
            )
            judged = judge.run(contender)
        return replace(judged, name=one.label), parameters

    def _kinds(self) -> ListKinds:
        space = self._builder.space
        return ListKinds(self._stream.items, None if space is None else space.vectors, self._groups)

    def _question(self, one: Entrant) -> Question:
        plan = self._plan
        asked: dict[str, Any] = {"data": self._data, "task": plan.task, "k": plan.k, "seed": plan.seed}
        # The vectors and the groups decide the kinds of lists of every contender.
        asked |= {"after_visit": plan.after_visit, "vectors": self._vectors, "groups": self._groups}
        if lives(one.name):
            asked |= fingerprints.of_settings(self._settings[one.label])
            asked |= {"label": one.label, "delay": plan.delay, "frozen": plan.frozen}
        else:
            asked |= {"tune": plan.tune, "method": plan.method if plan.tune else None}
        return Question(one.name, asked, fingerprints.of_code(one.name))


@contextmanager
def told(bar: Progress, what: str) -> Iterator[Told]:
    """A bar of this name. In a file or a pipe, where bars show at the end alone, a line says that it begins."""
    task = bar.add_task(what, total=None)
    if not bar.console.is_terminal:
        bar.console.print(f"{what} …", markup=False, highlight=False)
    yield lambda done, total: bar.update(task, completed=done, total=total)


def _threads(name: str) -> AbstractContextManager[object]:
    """What lives in a worker has one thread of numpy's matrix library there; several cost more CPU than they save."""
    return threadpool_limits(1, user_api="blas") if lives(name) else nullcontext()
