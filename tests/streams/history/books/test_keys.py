"""Distinct keys are counted exactly, short ones in many partitions, too."""

from __future__ import annotations

from streams.history.books.keys import DistinctKeys


def test_short_keys_of_several_partitions_are_told_apart() -> None:
    keys, ids = DistinctKeys(), 1000
    for _ in range(2):
        for number in range(ids):
            keys.add(b"%d" % number, number % 8)
    assert len(keys) == ids


def test_a_key_in_another_partition_is_another() -> None:
    keys = DistinctKeys()
    for partition in (0, 1, 1):
        keys.add(b"u", partition)
    keys.add(None)
    assert len(keys) == 3
