"""One invocation of `bench encoders`: which cases, in order, and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams.bench.encoders import contenders, device, int8, quality, texts
from streams.bench.errors import check_names
from streams.bench.harness import Samples, machine
from streams.bench.show import Say, show


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. cases: by name, all where empty. data: the folder with the data sets' folders, or none.

    count: texts of a round.
    """

    runs: int
    count: int
    data: Path | None = None
    cases: tuple[str, ...] = ()
    seed: int = 7


def _english(plan: Plan, say: Say) -> Samples:
    found, source = texts.english(plan.data, plan.count, plan.seed)
    samples = _compared("english", found, plan, say)
    samples.notes["english"] = f"{len(found)} texts: {source}"
    return samples


def _mixed(plan: Plan, say: Say) -> Samples:
    return _compared("mixed", texts.mixed(plan.count, plan.seed), plan, say)


def _compared(case: str, found: list[str], plan: Plan, say: Say) -> Samples:
    encoder = contenders.ours()
    return quality.measure(case, found, encoder, contenders.theirs(str(encoder.folder)), plan.runs, say)


def _int8(plan: Plan, say: Say) -> Samples:
    found, _ = texts.english(plan.data, plan.count, plan.seed)
    return int8.measure(found, plan.runs, say)


CASES: dict[str, Callable[[Plan, Say], Samples]] = {
    "english": _english,
    "mixed": _mixed,
    int8.CASE: _int8,
    device.CASE: lambda plan, say: device.measure(plan.runs, plan.seed, say),
}


def run(plan: Plan, json_file: Path | None) -> None:
    """Measure, show the table, write the rows. Raises BenchError."""
    check_names("case", plan.cases, CASES)
    contenders.one_thread()

    def measure(say: Say) -> Samples:
        samples = Samples()
        for name, case in CASES.items():
            if name in (plan.cases or CASES):
                samples.merge(case(plan, say))
        return samples

    show(measure, json_file, machine())
