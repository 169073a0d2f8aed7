"""Mutated records through every format, in process: never an exception, always an event or a reason."""

from __future__ import annotations

import pytest

from streams.events.adapters import FORMATS, adapter
from streams.events.canonical import Event, encode
from streams.events.decoding import decode_canonical, decode_canonical_batch
from streams.events.records import Record
from streams.events.rejections import Limits, Rejected
from tests.faults.mutants import Mutants
from tests.faults.trials import Tally, require, trials

LIMITS = Limits(max_bytes=20_000)
BATCH = 40


def problem_of(parsed: Event | Rejected) -> list[str]:
    """What is wrong with a result: no event that the next stage would refuse, no reason without words."""
    if isinstance(parsed, Rejected):
        return [] if parsed.reason and parsed.message and parsed.stage else [f"says nothing: {parsed}"]
    if not isinstance(parsed, Event):
        return [f"is neither event nor rejected: {parsed!r}"]
    again = decode_canonical(Mutants.record(encode(parsed)), LIMITS)
    return [] if again == parsed else [f"its canonical form is read as {again!r}"]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_mutated_source_records(name: str) -> None:
    tally, mutants = Tally(f"fuzz: {name}"), Mutants(name)
    for number in range(trials(100_000, 2_000) // len(list(FORMATS))):
        record = mutants.next()
        try:
            parsed = adapter(name).parse(record, LIMITS)
            found = [problem for one in parsed for problem in problem_of(one)]
            found += [] if parsed else ["nothing is said of it"]
        except Exception as error:
            found = [f"{type(error).__name__}: {error} of {record!r}"[:1000]]
        tally.record(f"{name} {number}", {"event or reason": found})
    require([tally])


def test_mutated_canonical_records() -> None:
    tally, mutants = Tally("fuzz: canonical"), Mutants("canonical")
    for number in range(trials(100_000, 2_000) // BATCH):
        records = [mutants.next() for _ in range(BATCH)]
        try:
            together = decode_canonical_batch(records, LIMITS)
            alone = [decode_canonical(record, LIMITS) for record in records]
            found = [] if together == alone else [f"a batch is read otherwise than its records, {number}"]
            found += [problem for parsed in together for problem in problem_of(parsed)]
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"[:1000]]
        for _ in records:
            tally.record(f"canonical {number}", {"event or reason": found})
    require([tally])


@pytest.mark.parametrize("name", [*sorted(FORMATS), "canonical"])
def test_the_mutants_of_every_format_are_of_both_kinds(name: str) -> None:
    """Were they all refused at the first byte, or all left whole, the fuzz would prove nothing."""
    mutants = Mutants(name)
    records = [mutants.next() for _ in range(500)]
    parsed = [one for record in records for one in parse(name, record)]
    reasons = {result.reason for result in parsed if isinstance(result, Rejected)}
    assert len(reasons) >= 3, reasons
    assert sum(isinstance(result, Event) for result in parsed) > 25
    whole = {value for value, _ in mutants.seeds}
    assert any(isinstance(one, Event) for r in records if r.value not in whole for one in parse(name, r))


def parse(name: str, record: Record) -> list[Event | Rejected]:
    if name == "canonical":
        return [decode_canonical(record, LIMITS)]
    return adapter(name).parse(record, LIMITS)
