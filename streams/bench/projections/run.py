"""One invocation of `bench projections`: which spaces on which data, and what is shown of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.table import Table

from encoders.core.base import Encoder
from streams.bench.errors import BenchError, check_names
from streams.bench.projections.catalog import encoded
from streams.bench.projections.history import SOURCES, Source, history, rounds
from streams.bench.projections.ranking import Judged, Score, Targets, bootstrap, judge, ranks, targets
from streams.bench.projections.spaces import CONTENDERS, REFERENCE, Contender, Stage
from streams.bench.show import Say, show


@dataclass(frozen=True, slots=True)
class Plan:
    """data: folder of the data sets. kept: folder of encoded catalogs, none to encode anew. spaces, sources: all
    where empty. users: of each data set at most, none for all."""

    data: Path
    kept: Path | None = None
    dim: int = 128
    seed: int = 0
    spaces: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    users: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A space on a data set. gain: NDCG@10 less that of the reference, by the same resamples of the users."""

    data: str
    space: str
    dim: int
    ndcg: Score
    hit_rate: Score
    gain: Score
    targets: int
    users: int


class Found:
    """All rows."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def rows(self) -> list[Row]:
        """See Result."""
        return self._rows

    def table(self) -> Table:
        """See Result."""
        shown = Table(caption="In brackets: 95 % of 1,000 resamples of the users.", caption_justify="left")
        for name in ("data", "space"):
            shown.add_column(name)
        for name in ("dim", "NDCG@10", "HR@10", f"NDCG@10 less that of {REFERENCE}", "targets", "users"):
            shown.add_column(name, justify="right")
        for row in self._rows:
            gain = "" if row.space == REFERENCE else _shown(row.gain, "+")
            scores = (_shown(row.ndcg), _shown(row.hit_rate), gain)
            shown.add_row(row.data, row.space, str(row.dim), *scores, f"{row.targets:,}", f"{row.users:,}")
        return shown


def run(plan: Plan, encoder: Encoder, json_file: Path | None) -> None:
    """Measure, show the table, write the rows. Raises BenchError, DatasetError."""
    check_names("space", plan.spaces, CONTENDERS)
    check_names("source", plan.sources, [source.name for source in SOURCES])
    torch.set_num_threads(1)

    def measure_all(say: Say) -> Found:
        chosen = [source for source in SOURCES if source.name in (plan.sources or [source.name])]
        return Found([row for source in chosen for row in measure(source, plan, encoder, say)])

    show(measure_all, json_file)


def measure(source: Source, plan: Plan, encoder: Encoder, say: Say) -> list[Row]:
    """All chosen spaces on one data set; the reference is always judged."""
    found = history(source, plan.data, plan.users, plan.seed)
    visits = rounds(found)
    stage = Stage(found, visits, encoded(found.texts, encoder, plan.kept, say), plan.dim, plan.seed)
    wanted = targets(found, visits)
    if not len(wanted.visits):
        raise BenchError(f"{source.name} holds nothing to foretell: give the whole data set")
    say(f"{source.name}: {len(found.users):,} events, {len(wanted.visits):,} targets")
    reference = _judged(CONTENDERS[REFERENCE], stage, wanted)
    rows = []
    for name, contender in CONTENDERS.items():
        if name in (plan.spaces or [name]):
            judged, dim = reference if name == REFERENCE else _judged(contender, stage, wanted)
            rows.append(_row(source.name, name, dim, judged, reference[0], plan.seed))
            values = ", ".join(map(_shown, (rows[-1].ndcg, rows[-1].hit_rate, rows[-1].gain)))
            say(f"{source.name}: {name}: {values}")
    return rows


def _judged(contender: Contender, stage: Stage, wanted: Targets) -> tuple[Judged, int]:
    queries, items = contender(stage)
    return judge(wanted, ranks(wanted, queries, items, stage.seed)), items.shape[1]


def _row(data: str, space: str, dim: int, judged: Judged, reference: Judged, seed: int) -> Row:
    counts = judged.counts
    return Row(
        data,
        space,
        dim,
        bootstrap(judged.ndcg, counts, seed),
        bootstrap(judged.hits, counts, seed),
        bootstrap(judged.ndcg - reference.ndcg, counts, seed),
        int(counts.sum()),
        len(counts),
    )


def _shown(score: Score, sign: str = "") -> str:
    return f"{score.value:{sign}.4f} [{score.low:{sign}.4f}, {score.high:{sign}.4f}]"
