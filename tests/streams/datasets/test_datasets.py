"""Public data sets: small files made by hand with every trap, and the real ones where they are at hand."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from streams.catalog.items import Item, decode_item
from streams.commands.main import app
from streams.datasets import DATASETS, Dataset, DatasetError, read_lastfm, read_movielens, read_online_retail
from streams.demo.streams import STREAMS, Generated
from streams.events.adapters import adapter
from streams.events.canonical import Event
from streams.events.rejections import Limits, Reason, Rejected
from tests.streams.flows import Record

RETAIL = """\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536365,85123a,"WHITE, HEART ",2,2010-12-01 08:26:00,2.55,17850,United Kingdom
536366,85123A,"WHITE, HEART ",3,2010-12-01 08:28:00,2.55,,United Kingdom
536367,POST,POSTAGE,1,2010-12-01 08:30:00,18.0,12583.0,France
C536368,85123A,damaged,-4,2010-12-01 08:34:00,2.55,17850.0,United Kingdom
536369,22139,,56,2010-12-01 08:35:00,0.0,17851.0,United Kingdom
"""


@pytest.fixture
def retail(tmp_path: Path) -> Path:
    path = tmp_path / "online_retail.csv"
    path.write_text(RETAIL)
    return path


@pytest.fixture
def lastfm(tmp_path: Path) -> Path:
    (tmp_path / "artists.dat").write_text(
        'id\tname\turl\tpictureURL\n1\t"Weird" Björk\tu\tp\n2\tABBA\tu\tp\n'
    )
    (tmp_path / "tags.dat").write_bytes(
        "tagID\ttagValue\r\n1\tchanson française\r\n2\tpop\r\n".encode("latin-1")
    )
    rows = ["7\t2\t2\t1\t4\t2009", "7\t1\t1\t1\t3\t2009", "8\t1\t1\t1\t1\t1956", "8\t99\t2\t1\t9\t2005"]
    header = "userID\tartistID\ttagID\tday\tmonth\tyear"
    (tmp_path / "user_taggedartists.dat").write_text("\n".join([header, *rows]) + "\n")
    return tmp_path


@pytest.fixture
def movielens(tmp_path: Path) -> Path:
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n1,"American President, The (1995)",Comedy|Drama\n2,Nothing,(no genres listed)\n'
    )
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,4.5,964982703\n2,2,0.5,964982600\n"
    )
    (tmp_path / "tags.csv").write_text('userId,movieId,tag,timestamp\n1,1,"say ""hi""",964982650\n')
    (tmp_path / "plots.jsonl").write_text('{"movieId": 1, "plot": "Love."}\n\n{"movieId": 2, "plot": null}\n')
    return tmp_path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "items.jsonl").write_text('{"item_id": "1", "attributes": {"author": "Jane"}}\n\n')
    clicked = '{"user_id": "u", "item_id": "1", "action": "click", "timestamp": "2026-01-01T00:00:00Z"}\n'
    (tmp_path / "events.jsonl").write_text(clicked)
    return tmp_path


def parsed(dataset: Dataset) -> list[Event | Rejected]:
    """The events as the stream reads them."""
    parse, limits = adapter("native").parse, Limits()
    records = (Record(orjson.dumps(event), n) for n, event in enumerate(dataset.events))
    return [one for record in records for one in parse(record, limits)]


def told(dataset: Dataset) -> list[Any]:
    return [
        (e.user_id, e.item_id, e.action, e.value) if isinstance(e, Event) else e.reason
        for e in parsed(dataset)
    ]


# --- UCI Online Retail --------------------------------------------------------------------------------------------


def test_retail_lines_are_purchases_returns_and_fees(retail: Path) -> None:
    assert told(read_online_retail(retail)) == [
        ("17850", "85123A", "purchase", 6),
        ("17850", "85123A", "purchase", 2),
        Reason.MISSING_USER,
        ("12583", None, "fee", 1),
        ("17850", "85123A", "return", 4),
        ("17851", "22139", "purchase", 56),
    ]


def test_retail_goods_are_called_what_they_are_mostly_bought_as(retail: Path) -> None:
    """Not by what a return says, without its spaces; by the code where there is no description."""
    dataset = read_online_retail(retail)
    assert {item["item_id"]: item["title"] for item in dataset.items} == {
        "85123A": "WHITE, HEART",
        "22139": "22139",
    }
    assert (dataset.total, dataset.notes) == (6, {"without_user": 1, "fees": 1})


def test_retail_times_are_taken_as_utc_and_ids_are_distinct(retail: Path) -> None:
    events = list(read_online_retail(retail).events)
    assert events[0]["timestamp"] == 1_291_191_960_000
    assert len({event["event_id"] for event in events}) == 6


def test_retail_may_be_compressed(retail: Path) -> None:
    packed = retail.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(retail.read_bytes()))
    assert told(read_online_retail(packed)) == told(read_online_retail(retail))


# --- Last.fm ------------------------------------------------------------------------------------------------------


def test_lastfm_tags_are_events_in_month_order(lastfm: Path) -> None:
    dataset = read_lastfm(lastfm)
    assert [(e["user_id"], e["item_id"], e["text"]) for e in dataset.events] == [
        ("8", "99", "pop"),
        ("7", "1", "chanson française"),
        ("7", "2", "pop"),
    ]
    assert dataset.notes == {"before_2005": 1, "unknown_artist": 1}
    assert dataset.total == 3


def test_lastfm_names_keep_their_quotation_marks(lastfm: Path) -> None:
    assert [item["title"] for item in read_lastfm(lastfm).items] == ['"Weird" Björk', "ABBA"]


# --- MovieLens ----------------------------------------------------------------------------------------------------


def test_movielens_is_put_in_time_order(movielens: Path) -> None:
    dataset = read_movielens(movielens)
    assert dataset.total == 3
    assert told(dataset) == [("2", "2", "rate", 0.5), ("1", "1", "tag", None), ("1", "1", "rate", 4.5)]


def test_movielens_items_have_genres_and_plots_where_there_are_any(movielens: Path) -> None:
    president = {"item_id": "1", "title": "American President, The (1995)", "categories": ["Comedy", "Drama"]}
    nothing = {"item_id": "2", "title": "Nothing", "categories": []}
    assert read_movielens(movielens).items == [{**president, "description": "Love."}, nothing]
    (movielens / "plots.jsonl").unlink()
    assert read_movielens(movielens).items == [president, nothing]


def test_movielens_tags_are_text(movielens: Path) -> None:
    assert [e["text"] for e in read_movielens(movielens).events if e["action"] == "tag"] == ['say "hi"']


# --- files of one's own -------------------------------------------------------------------------------------------


def test_files_hold_records_as_topics_do(files: Path) -> None:
    dataset = DATASETS["files"](files)
    assert dataset.items == [{"item_id": "1", "attributes": {"author": "Jane"}}]
    assert dataset.total == 1
    assert told(dataset) == [("u", "1", "click", None)]


def test_a_simulated_stream_is_such_files(tmp_path: Path) -> None:
    found = CliRunner().invoke(
        app, ["simulate", "news", str(tmp_path / "new"), "--events", "30", "--users", "4"]
    )
    assert found.exit_code == 0, found.output
    assert "30 events" in found.output
    dataset = DATASETS["files"](tmp_path / "new")
    assert all(isinstance(one, Event) for one in parsed(dataset))
    assert all(isinstance(decode_item(Record(orjson.dumps(i), 0), Limits()), Item) for i in dataset.items)


def test_a_folder_that_cannot_be_written_is_told_before_a_stream_is_generated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: int) -> Generated:
        raise AssertionError("nothing is to be generated")

    monkeypatch.setitem(STREAMS, "news", never)
    (tmp_path / "items.jsonl").mkdir()
    for folder in ("/dev/null/x", str(tmp_path)):
        result = CliRunner().invoke(app, ["simulate", "news", folder])
        assert result.exit_code == 1
        assert "give another folder" in " ".join(result.output.split())


# --- what is no data set ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_path_without_the_data_set_says_what_to_give(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="give the"):
        DATASETS[name](tmp_path)


DAMAGES: list[tuple[str, str, Callable[[bytes], bytes]]] = [
    ("online-retail", "online_retail.csv", lambda data: b"a,b\n1,2\n"),
    ("online-retail", "online_retail.csv", lambda data: b""),
    ("online-retail", "online_retail.csv", lambda data: data + b"536370,22139\n"),
    ("online-retail", "online_retail.csv", lambda data: data.replace(b",6,", b",six,")),
    ("online-retail", "online_retail.csv", lambda data: data.replace(b"WHITE", b"\xff")),
    ("lastfm", "user_taggedartists.dat", lambda data: data + b"7\t1\n"),
    ("lastfm", "user_taggedartists.dat", lambda data: data.replace(b"2009", b"soon")),
    ("lastfm", "artists.dat", lambda data: data.replace(b"ABBA", b"\xff")),
    ("movielens", "ratings.csv", lambda data: b"a,b\n1,2\n"),
    ("movielens", "ratings.csv", lambda data: data.replace(b"4.5", b"good")),
    ("movielens", "plots.jsonl", lambda data: b"{"),
    ("files", "events.jsonl", lambda data: data + b"{"),
    ("files", "items.jsonl", lambda data: b"[1]"),
]


@pytest.mark.parametrize(("name", "file", "damage"), DAMAGES)
def test_a_damaged_file_says_what_to_give(
    name: str, file: str, damage: Callable[[bytes], bytes], request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue({"online-retail": "retail"}.get(name, name))
    path = folder if name == "online-retail" else folder / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DatasetError, match="give the"):
        list(DATASETS[name](folder).events)


def test_an_empty_file_is_an_empty_data_set(lastfm: Path) -> None:
    (lastfm / "user_taggedartists.dat").write_bytes(b"")
    assert list(read_lastfm(lastfm).events) == []


# --- the real ones ------------------------------------------------------------------------------------------------

REAL = {
    "online-retail": ("uci-online-retail/online_retail.csv.gz", 541_909),
    "movielens": ("ml-latest-small", 104_519),
    "lastfm": ("hetrec2011-lastfm-2k", 186_474),
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_the_real_data_set_is_whole_and_in_time_order(name: str, test_data: Path) -> None:
    place, total = REAL[name]
    dataset = DATASETS[name](test_data / place)
    times = [event["timestamp"] for event in dataset.events]
    assert len(times) == dataset.total == total
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert all(isinstance(decode_item(Record(orjson.dumps(i), 0), Limits()), Item) for i in dataset.items)
