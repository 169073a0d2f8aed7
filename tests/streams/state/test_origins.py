"""Events that ingest wrote again: told by their origin, at any age and across batches, restarts and topics."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.provenance import Origin, OriginHeaders, rank_of
from streams.flow.flow import Flow
from streams.state.changelog import TopicIdentity
from streams.state.origins import Origins
from streams.state.restore import Restoring
from streams.state.users.partition import UserPartition
from tests.streams.events.test_isolation import poisoned
from tests.streams.flows import Record, apply, make_flow, record

EVENTS = TopicIdentity("behavior.events.v1", 4, "idE")
# Source topic, its partition, and offset of canonical records in log order; small, so that there are repeats.
LOGS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.integers(0, 9)), max_size=40)


def ingested(at: int, offset: int, topic: str = "clicks", partition: int = 0, **fields: object) -> Record:
    """The canonical record at `at`, made of the record at `offset` of a source."""
    index, topic_id = int(str(fields.pop("index", 0))), str(fields.pop("topic_id", "idA"))
    made = record(at, **{"event_id": f"{topic}-{partition}-{offset}-{index}", **fields})  # type: ignore[arg-type]
    source = Record(b"", offset, topic=topic, partition=partition)
    made.headers = OriginHeaders(topic, topic_id, EVENTS.topic_id).of(source, index)
    return made


def flow(**options: int) -> Flow:
    made = make_flow(**{"dedupe_window": 1, **options})
    made.reads_from(EVENTS)
    return made


def recovered(of: Flow, log: dict[bytes, bytes]) -> UserPartition:
    restoring = Restoring(UserPartition(0, of.layout))
    restoring.add(list(log), list(log.values()), range(len(log)))
    return restoring.state(EVENTS)


def count(of: Flow, user: str = "u") -> int:
    part = of.partitions[0]
    return int(part.layout.view(part.arena)["applied"][part.row_of[user]])


def test_a_repeat_is_told_at_any_age() -> None:
    run = flow()
    apply(run, [ingested(n, n) for n in range(500)])
    apply(run, [ingested(500 + n, n) for n in range(501)])
    assert (count(run), run.partitions[0].books["repeat"]) == (501, 500)
    assert run.partitions[0].books["read"] == 1001


def test_a_repeat_in_the_very_same_batch_is_told() -> None:
    run = flow()
    apply(run, [ingested(0, 7), ingested(1, 8), ingested(2, 7), ingested(3, 8), ingested(4, 9)])
    assert (count(run), run.partitions[0].books["repeat"]) == (3, 2)


def test_events_of_one_record_are_no_repeats_of_each_other() -> None:
    run = flow()
    apply(run, [ingested(n, 5, index=n) for n in range(3)])
    apply(run, [ingested(3 + n, 5, index=n) for n in range(4)])
    assert (count(run), run.partitions[0].books["repeat"]) == (4, 3)


def test_source_partitions_topics_and_topics_made_anew_have_ranks_of_their_own() -> None:
    run = flow()
    apply(run, [ingested(0, 5), ingested(1, 5, partition=1), ingested(2, 5, topic="orders")])
    apply(run, [ingested(3, 5, topic_id="idB", event_id="of the new topic")])
    assert (count(run), run.partitions[0].books["repeat"]) == (4, 0)


def test_a_copy_of_the_canonical_topic_has_no_origins() -> None:
    run = flow()
    run.reads_from(TopicIdentity(EVENTS.topic, 8, "a copy"))
    apply(run, [ingested(0, 9), ingested(1, 3)])
    assert count(run) == 2


def test_ranks_come_back_with_the_progress_record() -> None:
    run = flow()
    updated = apply(run, [ingested(n, n, partition=n % 2) for n in range(6)])
    part = run.partitions[0]
    log = dict([*updated.state, part.progress_record(EVENTS)])
    again = flow()
    again.partitions[0] = recovered(run, log)
    apply(again, [ingested(6, 2), ingested(7, 5, partition=1), ingested(8, 7, partition=1)])
    assert (count(again), again.partitions[0].books["repeat"]) == (7, 2)


def test_an_event_whose_row_outlived_its_progress_record_still_tells_its_repeat() -> None:
    """A worker may end behind a batch's rows and before its progress record: the rows hold the event, the ranks do
    not."""
    run = flow()
    before = run.partitions[0].progress_record(EVENTS)
    updated = apply(run, [ingested(0, 5)])
    again = flow()
    again.partitions[0] = recovered(run, dict([*updated.state, before]))
    apply(again, [ingested(0, 5), ingested(1, 5)])
    books = again.partitions[0].books
    assert (count(again), books["recovered"], books["repeat"]) == (1, 1, 1)


def test_an_isolated_event_leaves_the_ranks_of_its_neighbours_right() -> None:
    run = poisoned()
    run.reads_from(EVENTS)
    apply(run, [ingested(0, 1), ingested(1, 2, action="poison"), ingested(2, 3)])
    apply(run, [ingested(3, 1), ingested(4, 2, action="poison"), ingested(5, 3), ingested(6, 4)])
    books = run.partitions[0].books
    assert (count(run), books["repeat"], books["rejected.handling_failed"]) == (3, 3, 1)


@given(log=LOGS, cuts=st.sets(st.integers(1, 40)))
@settings(max_examples=100)
def test_an_event_counts_if_it_is_above_all_before_it_whatever_the_batches(
    log: list[tuple[str, int, int]], cuts: set[int]
) -> None:
    run = flow()
    records = [ingested(at, offset, topic, part) for at, (topic, part, offset) in enumerate(log)]
    for begin, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]):
        if begin < end:
            apply(run, records[begin:end])
    highest: dict[tuple[str, int], int] = {}
    new = 0
    for topic, part, offset in log:
        new += offset > highest.get((topic, part), -1)
        highest[topic, part] = max(offset, highest.get((topic, part), -1))
    assert run.partitions[0].books["repeat"] == len(log) - new
    assert not log or count(run) == new


def test_sifting_changes_nothing_until_the_ranks_are_taken_in() -> None:
    origins = Origins()
    given_ = [Origin("a/1", 0, rank_of(3, 0)), None, Origin("a/1", 0, rank_of(3, 0))]
    again, risen = origins.sift(given_)
    assert again.tolist() == [False, False, True]
    assert origins.copy() == {}
    origins.advance(risen)
    assert origins.sift(given_)[0].tolist() == [True, False, True]
    assert Origins(origins.copy()).copy() == origins.copy()
