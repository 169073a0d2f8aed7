"""The items of a worker's history, as their embeddings say them."""

from __future__ import annotations

import numpy as np

from streams.catalog.items import Embedding, Item, decode_embedding, encode_embedding
from streams.history.evaluate.sources.kafka import Described


def test_items_keep_what_settings_ask_of_them() -> None:
    given = [
        Item("a", "Red mug", categories=["kitchen", "red"], attributes={"market": ["de", "at"]}),
        Item("b", "Blue mug", in_stock=False, attributes={"author": "Jane"}),
        Item("c"),
    ]
    catalog = Described(4)
    for item in given:
        record = encode_embedding(item, np.ones(4, dtype=np.float32) / 2, "space", "digest")
        read = decode_embedding(item.item_id.encode(), record)
        assert isinstance(read, Embedding)
        catalog.put(read.item_id, read.array(), read.withheld, "digest", read.title, read.attributes)
    found = [catalog.item(row) for row in range(3)]
    assert [item.labels() for item in found] == [item.labels() for item in given]
    assert [item.withheld for item in found] == [False, True, False]
    assert [item.title for item in found] == ["Red mug", "Blue mug", ""]
