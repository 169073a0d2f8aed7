"""From events to signals: how strongly, when, and about what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.events.canonical import Event
from streams.events.columns.events import Events
from streams.events.unknown_actions import UnknownActions
from streams.interest.base import Floats, Longs
from streams.settings.action_rules import ActionRule
from streams.settings.action_words import PerWord, known_word

# Values and scale factors stay within this bound, so that none can drown or overflow a state.
LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class SentimentWeight:
    """What the sentiment s of an event's text makes of its weight: f(s) = (1 - |s|) * neutral + s * gain.

    Continuous; gain for praise, -gain for a complaint, neutral for neither, 0 at s = -neutral / (neutral + gain).
    """

    neutral: float = 0.25
    gain: float = 1.0

    def factors(self, scores: Mapping[int, float], count: int) -> Floats:
        """(count,) f of each event's score, by its index; 1 for one that has none."""
        factors = np.ones(count, dtype=np.float32)
        for index, score in scores.items():
            factors[index] = (1.0 - abs(score)) * self.neutral + score * self.gain
        return factors


class EventWeights:
    """The signed weight of each event: its action's weight times what its value says (see ActionRule)."""

    def __init__(
        self,
        rules: Mapping[str, ActionRule],
        default_weight: float,
        sentiment_weight: SentimentWeight | None = None,
    ) -> None:
        """rules: by action word. default_weight: of an action that has no rule. sentiment_weight: what sentiment
        counts."""
        self.default, self.sentiment_weight = default_weight, sentiment_weight or SentimentWeight()
        self.weight_of = {action: rule.weight for action, rule in rules.items()}
        self.scaled = {action: rule for action, rule in rules.items() if rule.scale != "none"}
        self.unknown = UnknownActions(default_weight, self.weight_of)
        # By the word as an event has it: asking for each event what it means would cost more than the fold.
        self._weights = PerWord(self._weight)
        self._unvalued = PerWord(self._weight_without_value)
        self._scales = PerWord(self._scale)

    def base(self, events: Sequence[Event]) -> Floats:
        """(n,) the actions' own weights; an event whose weight is 0 moves nothing, as a rating without a value does."""
        columns = Events.of(events)
        actions, without = columns.actions, np.isnan(columns.values)
        weights = np.zeros((2, len(actions.known)), dtype=np.float32)
        for number in actions.used():
            action = actions.known[number]
            weights[:, number] = self._weights[action], self._unvalued[action]
        found: Floats = weights[without.astype(np.int64), actions.of]
        return found

    def _weight(self, action: str) -> float:
        if (word := known_word(action, self.weight_of)) is None:
            self.unknown.meet(action)
            return self.default
        return self.weight_of[word]

    def _weight_without_value(self, action: str) -> float:
        rule = self._scales[action]
        # Of a rating, nobody knows whether it was praise.
        return 0.0 if rule is not None and rule.scale == "centred" else self._weights[action]

    def _scale(self, action: str) -> ActionRule | None:
        word = known_word(action, self.weight_of)
        return None if word is None else self.scaled.get(word)

    def weigh(self, events: Sequence[Event], base: Floats, users: Longs, states: Any) -> Floats:
        """(n,) weights scaled by the events' values, in log order.

        users: (n,) position of each event's user in `states`, whose running rating sums are moved in place.
        """
        if not self.scaled:
            return base
        columns = Events.of(events)
        actions, rules = columns.actions, [self._scales[action] for action in columns.actions.known]
        scaled = np.array([rule is not None for rule in rules], dtype=bool)
        indices = np.flatnonzero(~np.isnan(columns.values) & scaled[actions.of]).tolist()
        if not indices:
            return base
        sums, counts = states["rating_sum"].tolist(), states["rating_count"].tolist()
        weights = base.copy()
        for index in indices:
            user, value, rule = int(users[index]), _bounded(columns.values[index]), rules[actions.of[index]]
            assert rule is not None  # chosen so
            weights[index] *= _factor(rule, value, sums[user], counts[user])
            if rule.scale == "centred":
                sums[user] += value
                counts[user] += 1
        states["rating_sum"], states["rating_count"] = sums, counts
        return weights


def _factor(rule: ActionRule, value: float, rating_sum: float, ratings: int) -> float:
    match rule.scale:
        case "linear":
            factor = value
        case "log":
            factor = math.copysign(math.log2(1.0 + abs(value)), value if rule.weight > 0 else 1.0)
        case "sign":
            factor = -1.0 if value < 0 < rule.weight else 1.0
        case "ratio":
            factor = min(max(value, 0.0), 1.0)
        case "centred":
            # The user's mean so far, with the scale's middle as one rating given beforehand.
            factor = (value - (rule.middle + rating_sum) / (1 + ratings)) / rule.span
        case _:
            factor = 1.0
    return _bounded(factor)


def _bounded(number: float) -> float:
    return min(max(float(number), -LARGEST), LARGEST)


def times(given: Longs, recorded: Longs) -> Longs:
    """(n,) event times, milliseconds; one in the future of its record's time is clamped to that.

    recorded: (n,) when the broker took the records, 0 where it did not say: a producer's own time bounds nothing.
    """
    return np.where(recorded > 0, np.minimum(given, recorded), given)
