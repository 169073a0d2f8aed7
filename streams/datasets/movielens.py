"""MovieLens (small): ratings and tags in time order; titles, genres and, where there is one, plots.

Source: Harper and Konstan, The MovieLens Datasets, ACM TiiS 2015.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from streams.datasets.base import Dataset, reading, require

EXPECTED = "give the unpacked folder of MovieLens (small)"


def read_movielens(folder: Path) -> Dataset:
    """From the unpacked folder; `plots.jsonl` (movieId, plot) is optional. Raises DatasetError."""
    movies, ratings, tags = require(folder, "movies.csv", "ratings.csv", "tags.csv")
    with reading(folder, EXPECTED):
        plots = _plots(folder / "plots.jsonl")
        events = sorted([*_ratings(ratings), *_tags(tags)], key=lambda event: event["timestamp"])
        items = [_item(row, plots) for row in _rows(movies)]
    return Dataset(items, iter(events), len(events))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _plots(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip())
    return {str(line["movieId"]): line["plot"] for line in lines if line.get("plot")}


def _item(row: dict[str, str], plots: dict[str, str]) -> dict[str, Any]:
    genres = [genre for genre in row["genres"].split("|") if genre and not genre.startswith("(no")]
    item: dict[str, Any] = {"item_id": row["movieId"], "title": row["title"], "categories": genres}
    plot = plots.get(row["movieId"])
    return {**item, "description": plot} if plot else item


def _ratings(path: Path) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(_rows(path)):
        yield _base(row, f"rating-{number}") | {"action": "rate", "value": float(row["rating"])}


def _tags(path: Path) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(_rows(path)):
        yield _base(row, f"tag-{number}") | {"action": "tag", "text": row["tag"]}


def _base(row: dict[str, str], event_id: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "user_id": row["userId"],
        "item_id": row["movieId"],
        "timestamp": int(row["timestamp"]) * 1000,
        "source": "movielens",
    }
