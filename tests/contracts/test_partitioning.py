"""The partitions of keys, against the client that the workers read with."""

from __future__ import annotations

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from sinks.partitioning import LONGEST_TOGETHER, partitions_of

KEYS = st.lists(st.binary(max_size=2 * LONGEST_TOGETHER), max_size=30)


@given(KEYS, st.integers(1, 1000))
def test_partitions_are_those_of_every_other_client(keys: list[bytes], count: int) -> None:
    expected = [(murmur2(key) & 0x7FFFFFFF) % count for key in keys]
    assert partitions_of(keys, count).tolist() == expected
