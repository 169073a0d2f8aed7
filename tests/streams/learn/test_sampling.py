"""Of any history of the catalog topic, each item's newest text, in bounded memory and in one order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.catalog.items import Item, Removed
from streams.learn.sampling import Changes, Room, _Window, texts
from streams.recommend import item_key

IDS = [f"i{number}" for number in range(30)]
HISTORY = st.lists(
    st.one_of(
        st.builds(Removed, st.sampled_from(IDS)),
        st.builds(Item, st.sampled_from(IDS), title=st.sampled_from(["", "a", "bb", "c" * 40])),
    ),
    max_size=120,
)


def expected(history: list[Item | Removed]) -> list[str]:
    newest = {change.item_id: change for change in history}
    kept = [item for item in newest.values() if isinstance(item, Item) and item.text()]
    return [item.text() for item in sorted(kept, key=lambda item: item_key(item.item_id))]


@given(history=HISTORY, items=st.integers(1, 40), characters=st.integers(1, 400))
@settings(max_examples=200)
def test_any_room_gives_the_newest_text_of_each_item_once_and_in_one_order(
    history: list[Item | Removed], items: int, characters: int
) -> None:
    assert list(texts(lambda: history, room=Room(items, characters))) == expected(history)


@given(history=HISTORY, limit=st.integers(1, 40), items=st.integers(1, 40))
@settings(max_examples=100)
def test_a_sample_is_the_first_of_all(history: list[Item | Removed], limit: int, items: int) -> None:
    assert list(texts(lambda: history, limit, Room(items))) == expected(history)[:limit]


@given(history=HISTORY, items=st.integers(1, 40), characters=st.integers(40, 400))
@settings(max_examples=100)
def test_never_more_than_twice_the_room_is_held(
    history: list[Item | Removed], items: int, characters: int
) -> None:
    window = _Window(0, Room(items, characters))
    for change in history:
        window.put(change)
        assert len(window.texts) <= 2 * items
        assert window.characters <= 2 * characters
        assert window.characters == sum(map(len, window.texts.values()))


def test_a_hidden_item_counts_and_a_changed_one_counts_as_it_is_now() -> None:
    history = [Item("a", title="old"), Item("b", title="hid", hidden=True), Item("a", title="new")]
    assert sorted(texts(lambda: history)) == ["hid", "new"]


@pytest.mark.parametrize(("items", "passes"), [(30, 1), (10, 3), (7, 5)])
def test_the_topic_is_read_once_for_every_room_full(items: int, passes: int) -> None:
    reads = 0

    def read() -> Changes:
        nonlocal reads
        reads += 1
        return [Item(name, title=name) for name in IDS]

    assert len(list(texts(read, room=Room(items)))) == 30
    assert reads == passes


def test_items_that_come_while_it_reads_never_count_twice() -> None:
    known = [Item(name, title=name) for name in IDS[:20]]

    def read() -> Iterator[Item]:
        yield from known
        known.extend(Item(name, title=name) for name in IDS[len(known) :][:5])

    found = list(texts(read, room=Room(6)))
    assert len(set(found)) == len(found) >= 20
