"""What a recommender may be able to do beside recommending. The flow asks each whether it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

from streams.items.table import ItemTable
from streams.recommend.catalog import Catalog
from streams.recommend.queries import Queries
from streams.recommend.towers.item_towers import ItemTowers


@runtime_checkable
class Learner(Protocol):
    """A recommender that learns from what users do next. Test-then-learn: it is asked first, and told afterwards."""

    def learn(self, catalog: Catalog, queries: Queries, used: Sequence[Collection[int]]) -> None:
        """Learn which rows each user used next.

        queries: as they were before. used: per user the catalog rows, perhaps none of them a candidate.
        Deterministic in the order of calls.
        """
        ...


@runtime_checkable
class LearnsIgnored(Protocol):
    """A learner that learns from what was shown and passed over, too."""

    def ignore(
        self, catalog: Catalog, queries: Queries, ignored: Sequence[Collection[int]], weight: float
    ) -> None:
        """Learn which rows each user did not use, though they were shown.

        queries: as they were when the lists were made. weight: how much it teaches, where a use teaches 1.
        """
        ...


@runtime_checkable
class Explores(Protocol):
    """A recommender that leaves some places to chance."""

    def explore(self, factor: float) -> None:
        """From now on, explore this factor times as much as the settings say."""
        ...


class Merger(Protocol):
    """What the recommenders of several workers have learned together."""

    @property
    def version(self) -> int:
        """Rises with all that is merged."""
        ...

    def merge(self, sums: bytes) -> None:
        """Take what `SharesLearning.learned` gave. Raises UserError where it does not fit."""
        ...

    def save(self) -> bytes:
        """All of it, for `load` here and of `SharesLearning`."""
        ...

    def load(self, data: bytes) -> None:
        """Go on from there. Raises UserError where it does not fit."""
        ...


@runtime_checkable
class SharesLearning(Protocol):
    """A learner that several workers teach, each with its own users."""

    @property
    def version(self) -> int:
        """Rises with all that is learned."""
        ...

    def learned(self) -> bytes:
        """What it has learned since the last call, for `Merger.merge`; empty where nothing."""
        ...

    def load(self, data: bytes) -> None:
        """Go on from what a merger saved, with what was learned since the last `learned` on top of it.

        Raises UserError where it does not fit.
        """
        ...

    def merger(self) -> Merger:
        """One that begins."""
        ...


@runtime_checkable
class UsesItems(Protocol):
    """A recommender that reads what the stream has learned of items."""

    def use_items(self, table: ItemTable) -> None:
        """Read this table from now on; its owner goes on changing it between two calls of `recommend`."""
        ...


@runtime_checkable
class LearnsTowers(Protocol):
    """A learner that has two-tower vectors of items, which several workers can teach together."""

    @property
    def towers(self) -> ItemTowers | None:
        """The vectors; None where they are left out. Those of before end with `use_items`."""
        ...


@runtime_checkable
class ShowsExposure(Protocol):
    """A recommender that knows which share of its lists' places groups of items have."""

    def exposure(self) -> Mapping[str, float]:
        """Share of the last places, 0 to 1, by group; any thread."""
        ...
