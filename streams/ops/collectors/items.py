"""How much is kept of items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.ops.collectors import PREFIX

if TYPE_CHECKING:
    # It brings numba, for which who only shows others' metrics has no use.
    from streams.state.items.partition import ItemPartition


class ItemStates(Collector):
    """Reads the items' states of our partitions, which are never evicted."""

    def __init__(self, partitions: Mapping[int, ItemPartition]) -> None:
        self.partitions = partitions

    def collect(self) -> Iterator[Metric]:
        """Of our partitions: items with a state, and bytes of the states."""
        items = GaugeMetricFamily(
            f"{PREFIX}item_states", "Items whose state is in memory", labels=["partition"]
        )
        size = GaugeMetricFamily(
            f"{PREFIX}item_states_bytes", "Bytes of items' states in memory", labels=["partition"]
        )
        # A copy: the model thread changes what is ours.
        for number, part in list(self.partitions.items()):
            items.add_metric([str(number)], part.known)
            size.add_metric([str(number)], part.memory_bytes())
        yield items
        yield size
