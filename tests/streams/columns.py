"""Records as columns, as a fetch gives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.events.columns.records import RecordColumns
from streams.events.records import SourceRecord
from streams.kernels.fetched import WIDTH
from streams.kernels.records import PADDING


def columns_of(records: Sequence[SourceRecord]) -> RecordColumns:
    """Records of one partition, at least one, none with other headers than an origin."""
    text, table = b"some bytes in front", np.empty((WIDTH, len(records)), np.int64)
    for index, record in enumerate(records):
        origin = record.headers[0][1] if record.headers else b""
        about = [record.offset, record.timestamp or -1]
        for part in (record.key, record.value):
            about += [len(text), -1 if part is None else len(part)]
            text += part or b""
        table[:, index] = [*about, len(text), len(origin), record.appended]
        text += origin
    first = records[0]
    return RecordColumns(first.topic, first.partition, text + PADDING, table)
