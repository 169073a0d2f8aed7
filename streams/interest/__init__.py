"""How a user's interest moves: one model per file. Knows no items, topics or events.

A model owns a fixed-size state per user and two verbs: `update` folds signals into states, and `interest` reads the
published vectors off a state. One that is `Explainable` says how much each remembered event weighs in them, too.
The contract suite in tests/contracts runs over every model of the registry by itself.
"""

from streams.interest.base import InterestModel, Signals
from streams.interest.rounds import schedule
from streams.settings.registries import MODELS

__all__ = ["MODELS", "InterestModel", "Signals", "schedule"]
