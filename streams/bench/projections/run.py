"""One invocation of `bench projections`: which spaces on which data, and what is shown of them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from encoders.base import Encoder
from streams.bench.errors import BenchError
from streams.bench.projections.catalogue import encoded
from streams.bench.projections.history import SOURCES, Source, history, rounds
from streams.bench.projections.ranking import Judged, Score, Targets, bootstrap, judge, ranks, targets
from streams.bench.projections.spaces import CONTENDERS, REFERENCE, Contender, Stage

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """data: folder of the data sets. kept: folder of encoded catalogues, none to encode anew. spaces, sources: all
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


def run(plan: Plan, encoder: Encoder, json_file: Path | None) -> None:
    """Measure, show the table, write the rows. Raises BenchError, DatasetError."""
    for given, known in ((plan.spaces, [*CONTENDERS]), (plan.sources, [source.name for source in SOURCES])):
        if unknown := sorted(set(given) - set(known)):
            raise BenchError(f"no {', '.join(unknown)}; there are: {'; '.join(known)}")
    torch.set_num_threads(1)
    log = Console(stderr=True)
    rows = []
    for source in SOURCES:
        if source.name in (plan.sources or [source.name]):
            rows += measure(source, plan, encoder, lambda line: log.print(line, highlight=False))
    # A file or a pipe gets the whole width that the table needs.
    out = Console(width=None if sys.stdout.isatty() else 160)
    out.print(shlex.join(["interestflow", *sys.argv[1:]]), soft_wrap=True, highlight=False)
    out.print(_table(rows))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


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
            told = ", ".join(map(_shown, (rows[-1].ndcg, rows[-1].hit_rate, rows[-1].gain)))
            say(f"{source.name}: {name}: {told}")
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


def _table(rows: list[Row]) -> Table:
    shown = Table(caption="In brackets: 95 % of 1,000 resamples of the users.", caption_justify="left")
    for name in (
        "data",
        "space",
        "dim",
        "NDCG@10",
        "HR@10",
        f"NDCG@10 less that of {REFERENCE}",
        "targets",
        "users",
    ):
        shown.add_column(name, justify="left" if name in ("data", "space") else "right")
    for row in rows:
        shown.add_row(
            row.data,
            row.space,
            str(row.dim),
            _shown(row.ndcg),
            _shown(row.hit_rate),
            "" if row.space == REFERENCE else _shown(row.gain, "+"),
            f"{row.targets:,}",
            f"{row.users:,}",
        )
    return shown


def _shown(score: Score, sign: str = "") -> str:
    return f"{score.value:{sign}.4f} [{score.low:{sign}.4f}, {score.high:{sign}.4f}]"
