"""How the lists do that users get, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    # It brings numba, for which who only shows others' metrics has no use.
    from streams.flow.learning.next_uses import NextUses


class Judged(Collector):
    """Reads how lists do that were judged; their marks are shown once there are some."""

    def __init__(self, prefix: str, lists: NextUses) -> None:
        """prefix: of the metrics' names."""
        self.prefix, self.lists = prefix, lists

    def collect(self) -> Iterator[Metric]:
        """The number of lists, and the means."""
        lists, prefix, over = (
            self.lists,
            self.prefix,
            "of about the last 1,000 lists, by what their users used next",
        )
        yield CounterMetricFamily(f"{prefix}judged_lists", "Lists judged so far", value=lists.judged)
        yield GaugeMetricFamily(f"{prefix}prequential_ndcg", f"Mean NDCG@10 {over}", value=lists.ndcg)
        yield GaugeMetricFamily(f"{prefix}prequential_hit_rate", f"Mean HR@20 {over}", value=lists.hit_rate)


class Exposures(Collector):
    """Reads the exposure of groups of items. Groups are those of a setting, so they are few."""

    def __init__(self, prefix: str, exposure: Callable[[], Mapping[str, float]]) -> None:
        """prefix: of the metric's name. exposure: share of places by group."""
        self.prefix, self.exposure = prefix, exposure

    def collect(self) -> Iterator[Metric]:
        """One gauge per group."""
        about = "Share of the places of the last lists, by group of items"
        family = GaugeMetricFamily(f"{self.prefix}exposure_share", about, labels=["group"])
        for group, share in self.exposure().items():
            family.add_metric([group], share)
        yield family
