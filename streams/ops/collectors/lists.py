"""How the lists do that users get, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.ops.collectors import PREFIX

if TYPE_CHECKING:
    # They bring numba, for which who only shows others' metrics has no use.
    from streams.flow.learning.next_uses import NextUses
    from streams.state.users.partition import UserPartition


class Judged(Collector):
    """Reads how lists do that were judged; their marks are shown once there are some."""

    def __init__(self, lists: NextUses) -> None:
        self.lists = lists

    def collect(self) -> Iterator[Metric]:
        """The number of lists, and the means."""
        lists, over = self.lists, "of about the last 1,000 lists, by what their users used next"
        yield CounterMetricFamily(f"{PREFIX}judged_lists", "Lists judged so far", value=lists.judged)
        yield GaugeMetricFamily(f"{PREFIX}prequential_ndcg", f"Mean NDCG@10 {over}", value=lists.ndcg)
        yield GaugeMetricFamily(f"{PREFIX}prequential_hit_rate", f"Mean HR@20 {over}", value=lists.hit_rate)


class Exposures(Collector):
    """Reads the exposure of groups of items. Groups are those of a setting, so they are few."""

    def __init__(self, exposure: Callable[[], Mapping[str, float]]) -> None:
        """exposure: share of places by group."""
        self.exposure = exposure

    def collect(self) -> Iterator[Metric]:
        """One gauge per group."""
        about = "Share of the places of the last lists, by group of items"
        family = GaugeMetricFamily(f"{PREFIX}exposure_share", about, labels=["group"])
        for group, share in self.exposure().items():
            family.add_metric([group], share)
        yield family


class Answered(Collector):
    """Reads what became of items that were shown, in our partitions, since their generation began."""

    def __init__(self, partitions: Mapping[int, UserPartition]) -> None:
        self.partitions = partitions

    def collect(self) -> Iterator[Metric]:
        """Impressions by outcome, arm and source; and rates by source and by arm."""
        from streams.flow.feedback.counting import rates, total

        # A copy: the model thread changes what is ours.
        counts = total(list(self.partitions.values()))
        impressions = GaugeMetricFamily(
            f"{PREFIX}feedback_impressions",
            "Impressions by what became of them, in the partitions of this worker since the generation began",
            labels=["outcome", "arm", "source"],
        )
        for key, number in sorted(counts.items()):
            impressions.add_metric(list(key), number)
        yield impressions
        rate = GaugeMetricFamily(
            f"{PREFIX}click_through_rate",
            "Uses per impression of the same, by source and by arm",
            labels=["by", "name"],
        )
        for name, value in sorted(rates(counts).items()):
            rate.add_metric(list(name), value)
        yield rate
