"""A data set as visits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from streams.catalog.items import Item
from streams.datasets import DatasetError
from streams.events.canonical import Event
from streams.history.evaluate.visits import build_stream, read_stream
from streams.settings import configuration

SETTINGS = configuration.load(None)
ITEMS = [Item("a"), Item("b"), Item("c")]


def event(user: str, time: int, item: str | None, action: str = "purchase", value: float | None = 1) -> Event:
    return Event(f"{user}{time}{item}{action}", user, action, 1_600_000_000_000 + time, "", item, value)


def test_a_visit_is_what_one_user_used_at_one_time() -> None:
    events = [
        event("u", 0, "b"),
        event("v", 0, "a"),
        event("u", 0, "a", value=3),
        event("u", 0, "b", "return", 3),
        event("u", 0, None, "search"),
        event("u", 5, "gone"),
        event("u", 9, "c", "return"),
    ]
    made = build_stream(SETTINGS, ITEMS, events)
    assert made.users == 2
    assert not made.rated
    assert [(one.user, one.rows.tolist(), len(one.events)) for one in made.visits] == [
        *((0, [1, 0], 4), (1, [0], 1), (0, [], 1), (0, [2], 1)),
    ]
    first, *_, last = made.visits
    # log2(1 + 1) * 3 of the purchase, less log2(1 + 3) * 3 of the return.
    assert first.weights.tolist() == [-3, 6]
    assert first.chosen.tolist() == [True, True]
    assert first.values.tolist() == [3, 3]
    assert (last.weights.tolist(), last.chosen.tolist()) == ([-3], [False])


def test_a_low_rating_was_chosen_all_the_same() -> None:
    events = [event("u", 0, "a", "rate", 5), event("u", 1, "b", "rate", 1)]
    made = build_stream(SETTINGS, ITEMS, events)
    assert made.rated
    assert [np.sign(one.weights).tolist() for one in made.visits] == [[1], [-1]]
    assert all(one.chosen.all() for one in made.visits)


def test_a_data_set_is_read_in_time_order(tmp_path: Path) -> None:
    lines = [
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "2,10002,two,1,2011-01-02 10:00:00,1,17,UK",
        "1,10001,one,1,2011-01-01 10:00:00,1,17,UK",
        "1,10003,three,2,2011-01-01 10:00:00,1,17,UK",
        "3,POST,postage,1,2011-01-03 10:00:00,1,17,UK",
        "4,10001,one,1,2011-01-03 10:00:00,1,,UK",
    ]
    path = tmp_path / "online_retail.csv"
    path.write_text("\n".join(lines))
    told: list[tuple[int, int]] = []
    made = read_stream(
        SETTINGS, "online-retail", path, progress=lambda done, total: told.append((done, total))
    )
    assert [item.title for item in made.items] == ["one", "two", "three"]
    assert [one.rows.tolist() for one in made.visits] == [[0, 2], [1], []]
    assert told[-1] == (5, 5)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no data set 'films'"):
        read_stream(SETTINGS, "films", tmp_path)
    path = tmp_path / "empty.csv"
    path.write_text("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,CustomerID\n")
    with pytest.raises(DatasetError, match="no event"):
        read_stream(SETTINGS, "online-retail", path)


def test_own_files_are_read_as_a_worker_reads_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    items = [{"item_id": "a", "title": "old"}, {"item_id": "b", "price": 3}, {"item_id": "a", "title": "new"}]
    good = {"event_id": "1", "user_id": "u", "item_id": "a", "action": "rate", "timestamp": 1_600_000_000_000}
    bad = [{**good, "timestamp": "yesterday"}, {**good, "user_id": "line\nbreak"}]
    write(tmp_path, [*items, {"title": "nameless"}], [*bad, {**good, "value": 1e308}])
    made = read_stream(SETTINGS, "files", tmp_path)
    assert [(item.item_id, item.title) for item in made.items] == [("a", "new"), ("b", "")]
    assert [one.values.tolist() for one in made.visits] == [[1e6]]
    said = "\n".join(caplog.messages)
    assert "1 items of" in said
    assert "2 events of" in said
    write(tmp_path, items, bad)
    with pytest.raises(DatasetError, match="holds no event of a known user: timestamp"):
        read_stream(SETTINGS, "files", tmp_path)


def write(folder: Path, items: list[Any], events: list[Any]) -> None:
    for name, some in (("items", items), ("events", events)):
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, some)))
