"""Recommendations as JSON, put together from columns of ready pieces.

A dictionary per item and reason, made only to be dumped, costs more than all the rest of a recommendation: 20
items with three reasons are 80 of them. Here every piece that comes again is quoted once and numbers are
written by the column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from streams.interest.base import Floats, Longs
from streams.recommend.base import Ranked, Rows

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Beside:
    """What else is published, as pieces of JSON that begin with a comma, or are empty.

    items: U * k of them, one behind each item's other fields; none where `items` is empty. reasons: of each of r slots
    the same, behind its contribution; none where `reasons` is empty.
    """

    items: Sequence[str] = ()
    reasons: Sequence[Sequence[str]] = ()

    def and_items(self, pieces: Sequence[str]) -> Beside:
        """With these (U * k) behind each item, too."""
        if not self.items:
            return Beside(pieces, self.reasons)
        return Beside([a + b for a, b in zip(self.items, pieces, strict=True)], self.reasons)


NOTHING_BESIDE = Beside()


class Quoted(dict[str, str]):
    """Texts as JSON strings, each made once: item ids and actions come again and again."""

    def __missing__(self, text: str) -> str:
        quoted = self[text] = orjson.dumps(text).decode()
        return quoted


def remembered(
    history: Any, item_rows: Rows, item_ids: Sequence[str], actions: Mapping[int, str], quoted: Quoted
) -> list[list[str]]:
    """(U, H) remembered events, each as the beginning of the reason that it may become.

    item_rows: (U, H) catalog row of each event, -1 for an item that is not there.
    actions: the word behind each action's checksum.
    """
    word_of = actions.get
    return [
        [
            f'{{"item_id":{quoted[item_ids[row]] if row >= 0 else "null"},'
            f'"action":{quoted[word_of(word, "other")]},"timestamp":{time},"contribution":'
            for row, word, time in zip(rows, words, times, strict=True)
        ]
        for rows, words, times in zip(
            item_rows.tolist(), history["action"].tolist(), history["time"].tolist(), strict=True
        )
    ]


def ranked_items(
    item_ids: Sequence[str],
    ranked: Ranked,
    events: Sequence[Sequence[str]],
    quoted: Quoted,
    beside: Beside = NOTHING_BESIDE,
) -> list[str]:
    """Per user a JSON array of items with scores and reasons; contributions and `other` add up to the score.

    events: what `remembered` gave. As in `Ranked` and `Reasons`, what is missing stands at the end.
    """
    (users, k), reasons = ranked.rows.shape, ranked.reasons
    if reasons.features:
        features = [f'{{"feature":{quoted[name]},"contribution":' for name in reasons.features]
        events = [[*own, *features] for own in events]
    columns = _columns(item_ids, ranked, events, quoted, beside)
    width = len(columns)
    pieces = [""] * (users * k * width)
    for place, column in enumerate(columns):
        pieces[place::width] = column
    starts = (np.arange(users) * k * width).tolist()
    lengths = ((ranked.rows >= 0).sum(axis=1) * width).tolist()
    return [
        f"[{''.join(pieces[start : start + length])}]" for start, length in zip(starts, lengths, strict=True)
    ]


def _columns(
    item_ids: Sequence[str],
    ranked: Ranked,
    events: Sequence[Sequence[str]],
    quoted: Quoted,
    beside: Beside,
) -> list[list[str]]:
    """The pieces of all items, by column, U * k in each."""
    (users, k), reasons = ranked.rows.shape, ranked.reasons
    # Six digits are what a float32 score is good for; `other` is taken after rounding, so that sums agree.
    scores, parts = _rounded(ranked.scores), _rounded(reasons.contributions)
    return [
        ["", *[","] * (k - 1)] * users,
        ['{"item_id":'] * (users * k),
        [quoted[item_ids[row]] if row >= 0 else "" for row in ranked.rows.ravel().tolist()],
        [',"score":'] * (users * k),
        _numbers(scores),
        [',"reasons":['] * (users * k),
        *_reason_columns(reasons.index, parts, events, beside.reasons),
        ['],"other":'] * (users * k),
        _numbers(_rounded(scores - parts.sum(axis=-1))),
        *_propensity_columns(ranked.propensities),
        *([list(beside.items)] if beside.items else []),
        ["}"] * (users * k),
    ]


def _propensity_columns(propensities: Floats | None) -> list[list[str]]:
    """Two columns where something was left to chance."""
    if propensities is None:
        return []
    return [[',"propensity":'] * propensities.size, _numbers(_rounded(propensities))]


def _reason_columns(
    index: Rows, parts: Doubles, events: Sequence[Sequence[str]], behind: Sequence[Sequence[str]]
) -> list[list[str]]:
    """Two columns per reason: its event, behind a comma where it is not the first, and its contribution with what is
    behind it."""
    # The empty piece stands last, where an index of -1 finds it.
    first = [*(event for own in events for event in own), ""]
    further = [*(f",{event}" for own in events for event in own), ""]
    begins: Longs = np.cumsum([0, *map(len, events)])[:-1]
    columns = []
    for slot in range(index.shape[2]):
        found = index[:, :, slot]
        at = np.where(found >= 0, found + begins[:, None], -1).ravel().tolist()
        heads = further if slot else first
        columns.append([heads[i] for i in at])
        numbers = _numbers(parts[:, :, slot])
        if behind:
            numbers = [number + more for number, more in zip(numbers, behind[slot], strict=True)]
        columns.append([f"{part}}}" if i >= 0 else "" for i, part in zip(at, numbers, strict=True)])
    return columns


def _rounded(values: Floats | Doubles) -> Doubles:
    rounded: Doubles = values.astype(np.float64).round(6)
    return rounded


def _numbers(values: Doubles) -> list[str]:
    """Finite numbers, of any shape, as JSON writes them, flat."""
    if not values.size:
        return []
    return orjson.dumps(values.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode().split(",")
