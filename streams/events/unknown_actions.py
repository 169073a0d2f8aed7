"""Actions without a rule: counted by name, and logged once each with the setting that gives them a weight."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Container

import orjson

from streams.events.columns.events import Events
from streams.settings.action_words import REMEMBERED, known_word, spell

log = logging.getLogger(__name__)

# Words that are told and counted by name; a producer that puts ids into its actions must not fill log and metrics.
MOST_NAMES = 50
LONGEST_NAME = 64
OTHER = "other"


class UnknownActions:
    """Of one weighing; costs nothing per event while every action has a rule."""

    def __init__(self, default_weight: float, known: Container[str]) -> None:
        """known: the words that have a rule."""
        self.counts: Counter[str] = Counter()
        self._default, self._known = default_weight, known
        # The name that events of an action are counted by, and whether there are more actions than these.
        self._names: dict[str, str] = {}
        self._more = False

    def meet(self, action: str) -> None:
        """An action that has no rule: from now on its events are counted."""
        if action in self._names:
            return
        if len(self._names) < REMEMBERED:
            self._names[action] = self._name(action)
        else:
            self._more = True

    def count(self, events: Events) -> None:
        """Count those of these events whose actions have no rule and were met."""
        names = self._names
        if not names:
            return
        for action, count in events.action_counts().items():
            if action in names:
                self.counts[names[action]] += count
            elif self._more and known_word(action, self._known) is None:
                self.counts[OTHER] += count

    def _name(self, action: str) -> str:
        name = readable(action)
        if name in self.counts:
            return name
        if len(self.counts) >= MOST_NAMES:
            if OTHER not in self.counts:
                self.counts[OTHER] = 0
                log.warning("more than %d actions have no rule: others are counted as %r", MOST_NAMES, OTHER)
            return OTHER
        self.counts[name] = 0
        log.warning(
            "the action %r has no rule, so each event of it weighs %g (INTERESTFLOW_DEFAULT_ACTION_WEIGHT); give it a "
            "weight of its own in INTERESTFLOW_ACTIONS, as '%s'",
            name,
            self._default,
            orjson.dumps({name: {"weight": 1}}).decode(),
        )
        return name


def readable(action: str) -> str:
    """An action word as it is told and counted by."""
    name = spell(action)[:LONGEST_NAME]
    return name if name.isprintable() else ascii(name)[1:-1][:LONGEST_NAME]
