"""Sentences and paths of recommended items, as pieces of their records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from streams.flow.event_history import EventHistory
from streams.flow.rendering import Beside, Quoted
from streams.recommend import Catalog, Queries, Ranked, Recommender
from streams.recommend.base import Longs
from streams.recommend.why.paths import NO_EVENT, VECTOR, FindsPaths, Path
from streams.recommend.why.sentences import EVENT, LANGUAGES, OTHER, sentence
from streams.settings.action_words import PerWord, known_word
from streams.settings.sections.recommendations import RecommendationSettings

NO_COLUMN = -1


@dataclass(frozen=True, slots=True)
class _Told:
    """What was told so far, as in `Beside`."""

    items: list[str]
    reasons: list[list[str]]


class Explainer:
    """Of one flow. wanted: whether there is anything to say."""

    def __init__(
        self,
        catalog: Catalog,
        recommender: Recommender,
        history: EventHistory,
        settings: RecommendationSettings,
        quoted: Quoted,
    ) -> None:
        """quoted: shared with whoever renders."""
        self._catalog, self._history, self._quoted = catalog, history, quoted
        self._finder = recommender if isinstance(recommender, FindsPaths) else None
        self._templates = LANGUAGES.get(settings.reason_language)
        self._with_paths = settings.reason_paths
        self.wanted = self._templates is not None or self._with_paths
        actions = {key.partition(".")[2] for key in self._templates or () if key.startswith(f"{EVENT}.")}
        self._action = PerWord(lambda word: known_word(word, actions) or "")

    def told(self, queries: Queries, ranked: Ranked, history: Any) -> Beside:
        """Sentences of items and paths of reasons. history: (U, H) the rings of the users' newest events."""
        told = _Told([], [[] for _ in range(ranked.reasons.index.shape[2])])
        words = self._history.words()
        for user in range(len(queries)):
            self._tell(told, queries, ranked, user, history[user], words)
        return Beside(told.items, told.reasons if self._with_paths else ())

    def _tell(
        self,
        told: _Told,
        queries: Queries,
        ranked: Ranked,
        user: int,
        history: Any,
        words: Mapping[int, str],
    ) -> None:
        why, events = ranked.reasons, queries.history_rows.shape[1]
        paths = self._paths(queries, ranked, user)
        best = strongest(why.index[user], why.contributions[user])
        for place, (index, first) in enumerate(zip(why.index[user].tolist(), best.tolist(), strict=True)):
            found = [None if one < 0 else paths[one][place] for one in index]
            if self._templates is not None:
                if first == NO_COLUMN:
                    text = self._templates[OTHER]
                elif (term := index[first]) < events:
                    text = self._of_event(queries, user, term, words.get(int(history["action"][term]), ""))
                else:
                    text = self._of_feature(queries, user, why.features[term - events], found[first])
                told.items.append(f',"sentence":{orjson.dumps(text).decode()}')
            for slot, path in enumerate(found):
                told.reasons[slot].append("" if path is None else self._piece(path, queries, user, history))

    def _paths(self, queries: Queries, ranked: Ranked, user: int) -> Mapping[int, list[Path | None]]:
        """Of each term that is named, the path to each item of the list."""
        rows, why, events = ranked.rows[user], ranked.reasons, queries.history_rows.shape[1]
        places = np.flatnonzero(rows >= 0)
        found: dict[int, list[Path | None]] = {}
        for term in np.unique(why.index[user]).tolist():
            own: list[Path | None] = [None] * len(rows)
            if term >= events and self._finder is not None:
                name = why.features[term - events]
                own[: len(places)] = self._finder.paths(self._catalog, queries, user, rows[places], name)
            elif 0 <= term < events:
                own = [Path(VECTOR, event=term)] * len(rows)
            found[term] = own
        return found

    def _of_event(self, queries: Queries, user: int, column: int, action: str) -> str:
        assert self._templates is not None
        weights = queries.history_weights
        turned_down = weights is not None and weights[user, column] < 0
        which = "dislike" if turned_down else self._action[action]
        return sentence(self._templates, EVENT, which, self._title(queries, user, column))

    def _of_feature(self, queries: Queries, user: int, name: str, path: Path | None) -> str:
        assert self._templates is not None
        which, event = ("", NO_EVENT) if path is None else (path.which, path.event)
        return sentence(self._templates, name, which, self._title(queries, user, event))

    def _title(self, queries: Queries, user: int, column: int) -> str:
        """Of the item of a remembered event; its id where it has none, and empty where there is no item."""
        row = -1 if column == NO_EVENT else int(queries.history_rows[user, column])
        return "" if row < 0 else self._catalog.title(row) or self._catalog.item_ids[row]

    def _piece(self, path: Path, queries: Queries, user: int, history: Any) -> str:
        text = f',"path":{{"via":{self._quoted[path.via]}'
        if path.which:
            text += f',"which":{self._quoted[path.which]}'
        if path.event != NO_EVENT:
            row = int(queries.history_rows[user, path.event])
            item = "null" if row < 0 else self._quoted[self._catalog.item_ids[row]]
            text += f',"from":{{"item_id":{item},"timestamp":{int(history["time"][path.event])}}}'
        return f'{text},"share":{round(path.share, 4)}}}'


def strongest(index: Any, contributions: Any) -> Longs:
    """(k,) which of the reasons (k, r) speaks most for each item; -1 where none does."""
    if not index.shape[1]:
        return np.full(len(index), NO_COLUMN, dtype=np.int64)
    parts = np.where(index >= 0, contributions, np.float32(0))
    best: Longs = np.where(parts.max(axis=1) > 0, parts.argmax(axis=1), NO_COLUMN)
    return best
