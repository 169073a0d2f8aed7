"""Your own data: a folder with catalog records and native events, a JSON object a line, as they stand in the topics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from streams.datasets.base import Dataset, DatasetError, reading, require

EXPECTED = "give the folder with items.jsonl and events.jsonl, a catalog record or a native event a line"


def read_files(folder: Path) -> Dataset:
    """From `items.jsonl` and `events.jsonl`, the events in event-time order. Raises DatasetError."""
    items, events = require(folder, "items.jsonl", "events.jsonl")
    with reading(folder, EXPECTED):
        records, found = list(_objects(items)), list(_objects(events))
    return Dataset(records, iter(found), len(found))


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            found = orjson.loads(line)
            if not isinstance(found, dict):
                raise DatasetError(f"{path}, line {number} is no JSON object: {EXPECTED}")
            yield found
