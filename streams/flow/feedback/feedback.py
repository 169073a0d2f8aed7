"""Feedback of one flow: ids out, events that bring them back in, counts, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from streams.flow.decoded import Updated
from streams.flow.explaining.explainer import strongest
from streams.flow.feedback.counting import count, exploration_factor, total
from streams.flow.feedback.ids import ARMS, item_id
from streams.flow.feedback.joining import FeedbackJoin
from streams.flow.feedback.shown_lists import ShownLists
from streams.flow.learning.next_uses import NextUses
from streams.recommend import Catalog, Queries, Ranked, Recommender
from streams.recommend.abilities import Explores, LearnsIgnored
from streams.recommend.content_ranker import CONTENT
from streams.recommend.why.sentences import OTHER
from streams.settings.sections.recommendations import FeedbackSettings
from streams.state.users.partition import UserPartition

EXPLOIT, EXPLORE = ARMS.index("exploit"), ARMS.index("explore")


class Feedback:
    """join: what the fold asks."""

    def __init__(
        self,
        catalog: Catalog,
        recommender: Recommender,
        settings: FeedbackSettings,
        uses: NextUses | None,
        most: int,
    ) -> None:
        """uses: keeps the last lists, where the recommender learns. most: lists that are kept until they are judged."""
        self.join = FeedbackJoin(catalog, settings)
        self._explores = (
            recommender if settings.adapt_exploration and isinstance(recommender, Explores) else None
        )
        self._lists = None
        if uses is not None and settings.ignored_weight and isinstance(recommender, LearnsIgnored):
            self._lists = ShownLists(recommender, uses, catalog, most, settings.ignored_weight)

    @classmethod
    def wanted(
        cls,
        catalog: Catalog,
        recommender: Recommender,
        settings: FeedbackSettings,
        uses: NextUses | None,
        most: int,
    ) -> Feedback | None:
        """The same, or None where it is not enabled."""
        return cls(catalog, recommender, settings, uses, most) if settings.enabled else None

    def take(
        self, parts: Mapping[int, UserPartition], partition: int, updated: Updated, last_offset: int
    ) -> None:
        """Count what a batch said, and let the recommender learn from it.

        parts: all of this worker. last_offset: of the batch.
        """
        part = parts[partition]
        updated.counted = count(part, updated.joined, last_offset)
        if updated.counted and self._explores is not None:
            self._explores.explore(exploration_factor(total(parts.values())))
        if self._lists is not None and len(updated.joined):
            self._lists.hear(part, updated.joined)

    def ids(self, queries: Queries, ranked: Ranked, list_ids: Sequence[str]) -> list[str]:
        """Pieces of JSON (U * k) with the id of each item. list_ids: (U,)."""
        why, events = ranked.reasons, queries.history_rows.shape[1]
        pieces = []
        for user, list_id in enumerate(list_ids):
            best = strongest(why.index[user], why.contributions[user]).tolist()
            for place, first in enumerate(best):
                term = -1 if first < 0 else int(why.index[user, place, first])
                source = OTHER if term < 0 else CONTENT if term < events else why.features[term - events]
                drawn = ranked.explored is not None and bool(ranked.explored[user, place])
                own = item_id(place, EXPLORE if drawn else EXPLOIT, source, list_id)
                pieces.append(f',"recommendation_id":{orjson.dumps(own).decode()}')
        return pieces
