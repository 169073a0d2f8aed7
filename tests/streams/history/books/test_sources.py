"""Gaps, repeats and what is not ingested yet, told from the topics whatever retention has taken."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history.books.ledger import Books
from streams.history.books.origins import Origin, canonical_origin, rejected_origin
from streams.history.books.sources import Ingest, SourcePartition

RAW = ("raw", 0)
# Offset, index of the event.
Place = tuple[int, int]


def booked(
    present: Any,
    canonical: list[Place],
    rejected: list[Place] = [],  # noqa: B006 - never changed
    ids: tuple[str, str] = ("", ""),
    cut: bool = False,
    **fields: Any,
) -> Books:
    """The books of one partition; ids: of the source topic now, and as the canonical records have it."""
    ingest, books = Ingest({"raw": ids[0]}), Books()
    for offset, index in canonical:
        # Two canonical partitions; by which of them a record went hangs on its key.
        assert ingest.canonical(Origin("raw", 0, offset, index, ids[1]), ("events", offset % 2))
    for offset, index in rejected:
        assert ingest.rejected(Origin("raw", 0, offset, index, ids[1]), "not_json", ("rejected", 0))
    ingest.cut("events", {0: 1000 if cut else 0, 1: 0})
    source = SourcePartition(**{"begin": 0, "end": 100, "committed": 100, **fields})
    for offset in present:
        source.present.add(offset)
    ingest.balance(RAW, source, books)
    books.repeats, books.rejected, books.rejected_repeats = (
        ingest.repeats(), ingest.reasons(), ingest.rejected_repeats,
    )  # fmt: skip
    return books


def test_each_record_is_told_of_once_or_in_several_events() -> None:
    found = booked([0, 1, 2], [(0, 0), (0, 1), (0, 2)], [(1, 0), (2, 1), (2, 0)])
    assert (found.problems, found.sources, found.rejected) == ([], {"raw": 3}, {"not_json": 3})
    assert (found.repeats, found.gaps, found.not_ingested) == ({}, [], {"raw": 0})


def test_of_an_order_one_event_of_which_was_refused_the_others_count() -> None:
    found = booked([0], [(0, 0), (0, 2)], [(0, 1)])
    assert (found.problems, found.rejected) == ([], {"not_json": 1})


def test_a_record_that_was_read_and_is_nowhere_is_a_gap_with_its_offsets() -> None:
    found = booked(range(10), [(n, 0) for n in (0, 1, 4, 9)])
    assert found.gaps == [{"topic": "raw", "partition": 0, "records": 6, "ranges": [[2, 3], [5, 8]]}]
    (problem,) = found.problems
    assert problem == "raw-0: 6 records are read, but neither canonical nor rejected: offsets 2 to 3, 5 to 8"


@pytest.mark.parametrize(("committed", "waiting", "gaps"), [(None, 3, 0), (0, 3, 0), (2, 2, 1), (9, 0, 3)])
def test_what_was_not_committed_is_not_ingested_yet(committed: int | None, waiting: int, gaps: int) -> None:
    found = booked([1, 5, 6], [(0, 0)], committed=committed, begin=1)
    assert (found.not_ingested, len(found.problems)) == ({"raw": waiting}, min(gaps, 1))
    assert sum(gap["records"] for gap in found.gaps) == gaps


def test_what_retention_has_taken_from_any_topic_is_no_problem() -> None:
    # Of the source: canonical records of what is gone. Of the canonical one: no records of what was long ago.
    found = booked([50, 51], [(n, 0) for n in range(30, 52)], begin=50)
    assert (found.problems, found.sources, found.removed) == ([], {"raw": 2}, [])


def test_where_the_canonical_topic_was_cut_what_it_told_before_is_forgotten_but_later_gaps_are_told() -> None:
    # Partition 0 tells of 6 first, so what is missing before may have been there. 9 must be in one of both.
    found = booked(range(12), [(n, 0) for n in (3, 5, 6, 7, 8, 10, 11)], cut=True)
    assert found.forgotten == {"raw": 4}
    assert [gap["ranges"] for gap in found.gaps] == [[[9, 9]]]
    # Without a record of the source in the partition that was cut, nothing is known.
    found = booked(range(12), [(n, 0) for n in (3, 5, 11)], cut=True)
    assert (found.gaps, found.forgotten, found.problems) == ([], {"raw": 9}, [])
    assert booked(range(12), [(n, 0) for n in (3, 5, 11)]).forgotten == {"raw": 0}


def test_what_was_removed_before_it_was_ingested_is_counted_by_offsets() -> None:
    found = booked([50], [(50, 0), (11, 0)], begin=50, committed=10)
    assert (found.problems, found.removed) == ([], [{"topic": "raw", "partition": 0, "offsets": 39}])


def test_what_was_removed_unread_and_passed_over_since_is_noted() -> None:
    found = booked([70], [(n, 0) for n in (10, 11, 70)], begin=70)
    (note,) = found.notes
    assert note.startswith(
        "raw-0: passed over and no longer there: 58 offsets, 12 to 69. Retention removed them"
    )
    assert (found.problems, found.removed) == ([], [])


@pytest.mark.parametrize(
    ("canonical", "fields"),
    [
        ([10, 11, 12], {"begin": 12}),  # nothing is missing, and 0 to 9 may be older than the deployment
        ([10, 12], {"begin": 10}),  # 11 is still there, or never was a record
        ([10, 12], {"begin": 12, "compacted": True}),
        ([11, 13, 14], {"begin": 14, "cut": True}),  # its event may have been removed with the events' topic
    ],
)
def test_nothing_is_noted_of_offsets_that_nothing_is_known_of(
    canonical: list[int], fields: dict[str, Any]
) -> None:
    assert booked([], [(n, 0) for n in canonical], **fields).notes == []


def test_offsets_of_control_records_and_aborted_ones_are_nobodys() -> None:
    found = booked([0, 1, 4], [(0, 0), (1, 0), (4, 0)], end=6)
    assert found.problems == []


def test_events_of_an_aborted_transaction_are_told_but_not_where_records_may_leave_anywhere() -> None:
    found = booked([0, 3], [(n, 0) for n in range(4)])
    (problem,) = found.problems
    assert problem.startswith("raw-0: 2 records are canonical or rejected, but not in the topic")
    assert problem.endswith("1 to 2")
    assert booked([0, 3], [(n, 0) for n in range(4)], compacted=True).problems == []


def test_the_same_event_canonical_and_rejected_is_told() -> None:
    (problem,) = booked([0, 1], [(0, 0), (1, 1)], [(1, 1), (0, 1)]).problems
    assert problem == "raw-0: 1 record is both canonical and rejected: 1"


def test_origins_of_a_topic_that_was_made_anew_say_nothing_of_todays() -> None:
    found = booked([0, 1], [(0, 0), (1, 0), (1, 0)], ids=("now", "before"))
    assert (found.gaps[0]["records"], found.repeats) == (2, {"raw": 1})
    assert booked([0, 1], [(0, 0), (1, 0)], ids=("now", "now")).problems == []
    assert booked([0, 1], [(0, 0), (1, 0)], ids=("now", "")).problems == []


def test_rejections_of_a_topic_that_was_made_anew_say_nothing_of_todays() -> None:
    before = booked([0, 1], [], [(0, 0), (1, 0), (1, 0)], ids=("now", "before"))
    assert (before.gaps[0]["records"], before.rejected, before.rejected_repeats) == (2, {"not_json": 2}, 1)
    ingest, books = Ingest({"raw": "now"}), Books()
    ingest.rejected(Origin("raw", 0, 0, topic_id="before"), "not_json", ("rejected", 0))
    ingest.canonical(Origin("raw", 0, 0, topic_id="now"), ("events", 0))
    ingest.rejected(Origin("raw", 0, 1, topic_id="now"), "not_json", ("rejected", 0))
    source = SourcePartition(0, 2, 2)
    for offset in (0, 1):
        source.present.add(offset)
    ingest.balance(RAW, source, books)
    assert (books.problems, ingest.reasons(), ingest.rejected_repeats) == ([], {"not_json": 2}, 0)


places = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), max_size=30)


@given(st.sets(st.integers(0, 12)), places, places, st.integers(0, 13))
def test_the_books_are_those_of_plain_sets(
    present: set[int], canonical: list[Place], rejected: list[Place], committed: int
) -> None:
    found = booked(present, canonical, rejected, committed=committed)
    told = {offset for offset, _ in canonical} | {offset for offset, _ in rejected}
    gaps = {offset for offset in present - told if offset < committed}
    assert found.sources["raw"] == len(present)
    assert sum(gap["records"] for gap in found.gaps) == len(gaps)
    assert found.not_ingested["raw"] == len(present - told - gaps)
    assert found.repeats.get("raw", 0) == Counter(canonical).total() - len(set(canonical))
    assert found.rejected_repeats == len(rejected) - len(set(rejected))
    twice, unreal = set(canonical) & set(rejected), told - present
    assert len(found.problems) == bool(gaps) + bool(twice) + bool(unreal)


# --- headers ------------------------------------------------------------------------------------------------------


def test_an_origin_is_read_from_one_header_and_from_the_three_of_before() -> None:
    now = [("mine", b"x"), ("interestflow.origin", b"a.b-c/idS/idE/3/17/2")]
    assert canonical_origin(now) == Origin("a.b-c", 3, 17, 2, "idS")
    before = [(f"interestflow.source.{name}", value) for name, value in
              (("topic", b"raw"), ("partition", b"1"), ("offset", b"8"))]  # fmt: skip
    assert canonical_origin(before) == Origin("raw", 1, 8)


@pytest.mark.parametrize(
    "headers",
    [None, [], [("interestflow.origin", b"raw/0")], [("interestflow.origin", b"raw/i/e/0/x/0")],
     [("interestflow.origin", b"\xff/i/e/0/0/0")], [("interestflow.origin", None)], [("other", None)]],
)  # fmt: skip
def test_a_record_without_an_origin_of_ours_has_none(headers: Any) -> None:
    assert canonical_origin(headers) is None
    assert rejected_origin(headers) is None


def test_a_rejection_tells_record_reason_and_index() -> None:
    headers = [
        ("__connect.errors.topic", b"raw"), ("__connect.errors.partition", b"1"),
        ("__connect.errors.offset", b"8"), ("interestflow.reason", b"not_json"),
    ]  # fmt: skip
    assert rejected_origin(headers) == (Origin("raw", 1, 8), "not_json")
    assert rejected_origin([*headers, ("interestflow.index", b"4")]) == (Origin("raw", 1, 8, 4), "not_json")
    of = [*headers, ("interestflow.topic.id", b"idS")]
    assert rejected_origin(of) == (Origin("raw", 1, 8, topic_id="idS"), "not_json")
    assert rejected_origin(headers[:-1]) is None
