"""How a user's interest moves: one model per file, one line per model in `MODELS`.

A model owns a fixed-size state per user and three verbs: `update` folds signals into states, `interest`
reads the published vector off a state, `coefficients` says how much each remembered event weighs in it.
The contract suite in tests/contracts runs over every entry by itself.
"""

from streams.interest.base import InterestModel, Signals, schedule
from streams.interest.decay import DecayModel

MODELS: dict[str, type[DecayModel]] = {
    "decay": DecayModel,
}

__all__ = ["MODELS", "DecayModel", "InterestModel", "Signals", "schedule"]
