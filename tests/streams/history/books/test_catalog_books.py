"""What became of each record of the catalog, told from the topics."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from streams.events.provenance import UNKNOWN_REMOVAL
from streams.events.records import Record
from streams.events.rejections import Limits
from streams.history.books.catalog import Items, RefusedItems, embedding_kind
from streams.history.books.keys import NewestValues
from streams.history.books.ledger import Books
from streams.history.books.origins import Origin

Given = tuple[str, Any]


def record(offset: int, item_id: str, value: Any) -> Record:
    """value: a title, raw bytes, or None, which removes."""
    body = orjson.dumps({"item_id": item_id, "title": value}) if isinstance(value, str) else value
    return Record("items", 0, offset, None, item_id.encode(), body, ())


def booked(records: list[Given], embedded: dict[str, Any], refused: list[int] = [], read: int = 99) -> Books:  # noqa: B006
    """embedded: of each item a vector, None, or "unknown" for a removal that removed nothing."""
    rejections, kinds, books = RefusedItems("items"), NewestValues(), Books()
    for offset in refused:
        rejections.add(Origin("items", 0, offset), "not_json")
        rejections.add(Origin("items", 0, offset), "not_json")
        rejections.add(Origin("another", 0, 0), "not_json")
    found = Items(rejections, {0: read}, Limits())
    for offset, (item_id, value) in enumerate(records):
        found.add(record(offset, item_id, value))
    for item_id, value in embedded.items():
        headers = [(UNKNOWN_REMOVAL, b"")] if value == "unknown" else None
        kinds.put(item_id.encode(), embedding_kind(b"v" if value == "v" else None, headers))
    found.enter("items", kinds, books)
    return books


def counts(books: Books) -> dict[str, int]:
    found = {name: count for name, count in books.items.items() if count}
    assert found.pop("read") == sum(found.values()) - found.get("unread", 0)
    return found


def test_every_record_of_the_catalog_has_one_outcome() -> None:
    books = booked(
        [("a", "1"), ("b", "1"), ("a", "1"), ("a", "2"), ("x", b"{"), ("b", None), ("nobody", None), ("c", "1")],
        {"a": "v", "b": None, "nobody": "unknown", "c": "v"},
        refused=[4],
    )  # fmt: skip
    assert books.problems == []
    assert counts(books) == {
        "encoded": 2, "unchanged": 1, "replaced": 2, "removed": 1, "removed_unknown": 1, "refused": 1,
    }  # fmt: skip
    assert books.items_refused == {"not_json": 1}


def test_what_no_worker_has_come_to_yet_is_unread() -> None:
    books = booked([("a", "1"), ("b", "1"), ("c", b"{")], {"a": "v"}, read=1)
    assert (counts(books), books.problems) == ({"encoded": 1, "unread": 2}, [])


def test_a_removal_whose_item_compaction_has_taken_is_none_of_an_unknown_item() -> None:
    assert counts(booked([("a", None)], {"a": None})) == {"removed": 1}
    assert counts(booked([("a", None)], {"a": "unknown"})) == {"removed_unknown": 1}


def test_a_second_removal_is_of_a_known_item_only_where_the_item_was_brought() -> None:
    assert counts(booked([("a", "1"), ("a", None), ("a", None)], {"a": None})) == {
        "replaced": 1,
        "removed": 2,
    }
    assert counts(booked([("a", None), ("a", None)], {"a": "unknown"})) == {"removed_unknown": 2}
    books = booked([("a", None), ("a", "1"), ("a", None)], {"a": None})
    assert counts(books) == {"removed_unknown": 1, "replaced": 1, "removed": 1}


def test_an_item_that_comes_back_after_its_removal_is_encoded_again() -> None:
    books = booked([("a", "1"), ("a", None), ("a", "1")], {"a": "v"})
    assert counts(books) == {"encoded": 1, "replaced": 1, "removed": 1}


@pytest.mark.parametrize(
    ("records", "embedded", "problem"),
    [
        ([("a", "1"), ("b", "1")], {"b": "v"}, "items: items were read, but have no embedding: 'a'"),
        ([("a", "1")], {"a": None}, "items: items were read, but have no embedding: 'a'"),
        ([("a", "1"), ("a", None)], {"a": "v"}, "items: items were removed, but have an embedding: 'a'"),
        (
            [("a", b"{")],
            {},
            "items-0: 1 records that are no items were read, but are not rejected: offsets 0",
        ),
    ],
)
def test_what_is_missing_is_named(records: list[Given], embedded: dict[str, Any], problem: str) -> None:
    assert booked(records, embedded).problems == [problem]


def test_of_many_items_that_are_missing_some_are_named() -> None:
    (problem,) = booked([(f"i{n}", "1") for n in range(9)], {}).problems
    assert problem.endswith("'i0', 'i1', 'i2', 'i3', 'i4' and 4 more")
