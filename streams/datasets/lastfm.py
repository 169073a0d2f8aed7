"""Last.fm (HetRec 2011): tag assignments as events; artists as items.

Months are all the time there is, so an event lies on the first of its month. Rows before 2005 are errors and
are left out; artists that artists.dat lacks keep their events, which wait for an item that never comes.
Source: Cantador et al., HetRec workshop, RecSys 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from streams.datasets.base import Dataset, reading, require

FIRST_YEAR = 2005
EXPECTED = "give the unpacked folder of HetRec 2011 Last.fm"


def read_lastfm(folder: Path) -> Dataset:
    """From the unpacked folder. Raises DatasetError."""
    artists, tags, assignments = require(folder, "artists.dat", "tags.dat", "user_taggedartists.dat")
    with reading(folder, EXPECTED):
        items = [{"item_id": row[0], "title": row[1]} for row in _rows(artists, "utf-8")]
        words = {row[0]: row[1] for row in _rows(tags, "iso-8859-1")}
        rows = list(_rows(assignments, "utf-8"))
        kept = [row for row in rows if int(row[5]) >= FIRST_YEAR]
        events = [_event(number, row, words) for number, row in enumerate(kept)]
    events.sort(key=lambda event: event["timestamp"])
    known = {item["item_id"] for item in items}
    unknown = sum(event["item_id"] not in known for event in events)
    notes = {"before_2005": len(rows) - len(kept), "unknown_artist": unknown}
    return Dataset(items, iter(events), len(events), notes)


def _rows(path: Path, encoding: str) -> Iterator[list[str]]:
    """Tab-separated, without quoting: names hold quotation marks."""
    with path.open(encoding=encoding, newline="\n") as file:
        for line in islice(file, 1, None):
            yield line.rstrip("\r\n").split("\t")


def _event(number: int, row: list[str], words: dict[str, str]) -> dict[str, Any]:
    user, artist, tag, _day, month, year = row
    moment = datetime(int(year), int(month), 1, tzinfo=UTC)
    return {
        "event_id": f"tag-{number}",
        "user_id": user,
        "item_id": artist,
        "action": "tag",
        "text": words.get(tag, ""),
        "timestamp": int(moment.timestamp() * 1000),
        "source": "lastfm",
    }
