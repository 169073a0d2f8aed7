"""Simulated users whose true interests, which drift and shift, are known.

Pure and seeded. Event i of n lies at share i / n of the run. A user is after two themes
at a time; the weight moves slowly from the first to the second (drift), and at one moment of the run both are
replaced by two others (shift).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]

THEMES: dict[str, str] = {
    "running": "running shoes marathon trail jogging sneaker pacer cushioned sole sprint stopwatch hydration vest",
    "baking": "bread sourdough flour oven cake tin whisk pastry yeast rolling pin cookie cutter dough mixer",
    "astronomy": "telescope star planet galaxy eyepiece moon nebula observatory night sky meteor tripod lens",
    "gardening": "rose seeds compost watering can spade greenhouse tomato seedling pruning shears flower bed soil",
    "jazz": "saxophone trumpet vinyl record swing bebop double bass improvisation quartet blue note piano trio",
    "cycling": "road bike pedal gravel wheel derailleur helmet cycling jersey handlebar tyre chain saddle",
    "chess": "chess board opening gambit endgame grandmaster knight bishop clock tournament checkmate puzzle",
    "coffee": "espresso beans grinder barista latte filter portafilter roast crema milk frother pour over kettle",
    "sailing": "sailboat anchor mast rope regatta harbour rudder spinnaker keel wind compass life jacket",
    "painting": "watercolour easel brush canvas acrylic palette oil paint sketchbook portrait landscape pigment",
}
FORMS = (
    "{0} {1} set",
    "compact {0} and {1}",
    "{0} {1} for beginners",
    "professional {0} {1}",
    "guide to {0} and {1}",
)
# Share of each action among the events.
ACTIONS = {
    "view": 0.5,
    "click": 0.2,
    "like": 0.1,
    "purchase": 0.1,
    "comment": 0.02,
    "search": 0.03,
    "dislike": 0.05,  # of a theme that the user is not after
}
NOISE = 0.1  # of the events are of a theme picked at random
# One event in so many is invalid, in one of the ways that producers make mistakes.
INVALID_EVERY = 200
FLAWS: tuple[dict[str, Any], ...] = (
    {"user_id": None},
    {"action": None},
    {"item_id": ["one", "another"]},
    {"value": "three"},
)


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """A native behaviour event, when in the run it lies (share in [0, 1)), and whether it is a valid one."""

    event: dict[str, Any]
    share: float
    valid: bool


class World:
    """Items of themes and users with mixtures of themes."""

    def __init__(self, seed: int, users: int = 300, items: int = 600) -> None:
        rng = np.random.default_rng(seed)
        self.themes = list(THEMES)
        self.items = [self._item(rng, number) for number in range(items)]
        self.by_theme = [
            [i["item_id"] for i in self.items if i["categories"][0] == theme] for theme in self.themes
        ]
        self.users = [f"user-{number}" for number in range(users)]
        # Four themes per user: two before the shift and two after; and the share of the run of the shift.
        count = len(self.themes)
        self._picks = np.array([rng.permutation(count)[:4] for _ in self.users])
        self.shift_at = rng.uniform(0.4, 0.6, users)
        self._seed = seed

    def truth(self, user: int, share: float) -> Weights:
        """(themes,) mixture weights of a user at a share of the run; they sum to 1."""
        shift = self.shift_at[user]
        first, second = self._picks[user, :2] if share < shift else self._picks[user, 2:]
        begun, length = (0.0, shift) if share < shift else (shift, 1.0 - shift)
        weights = np.zeros(len(self.themes))
        weights[second] = 0.2 + 0.3 * (share - begun) / length
        weights[first] = 1.0 - weights[second]
        return weights

    def before_and_after(self, user: int) -> tuple[Weights, Weights]:
        """Mixtures just before and just after the user's shift."""
        return self.truth(user, float(np.nextafter(self.shift_at[user], 0))), self.truth(
            user, float(self.shift_at[user])
        )

    def events(self, count: int) -> Iterator[SimulatedEvent]:
        """`count` events without timestamps, which the caller sets as they happen."""
        rng = np.random.default_rng([self._seed, 1])
        for number in range(count):
            user, share = int(rng.integers(len(self.users))), number / count
            event = self._event(rng, number, user, share)
            valid = number % INVALID_EVERY != INVALID_EVERY // 2
            if not valid:
                event |= FLAWS[number // INVALID_EVERY % len(FLAWS)]
            yield SimulatedEvent(event, share, valid)

    def _event(self, rng: np.random.Generator, number: int, user: int, share: float) -> dict[str, Any]:
        action = list(ACTIONS)[_draw(rng, np.array(list(ACTIONS.values())))]
        theme = self._theme(rng, self.truth(user, share), action)
        event = {
            "event_id": f"sim-{number}",
            "user_id": self.users[user],
            "action": action,
            "source": "simulation",
        }
        if action == "search":
            return {**event, "text": self._phrase(rng, theme)}
        own = self.by_theme[theme]
        event["item_id"] = own[int(rng.integers(len(own)))]
        return {**event, "text": f"nice {self._phrase(rng, theme)}"} if action == "comment" else event

    def _theme(self, rng: np.random.Generator, weights: Weights, action: str) -> int:
        """The theme of an event, drawn from the user's mixture."""
        if action == "dislike":
            return int(rng.choice(np.flatnonzero(weights == 0)))
        if rng.random() < NOISE:
            return int(rng.integers(len(weights)))
        return _draw(rng, weights)

    def _item(self, rng: np.random.Generator, number: int) -> dict[str, Any]:
        theme = self.themes[number % len(self.themes)]
        words = rng.choice(THEMES[theme].split(), size=5, replace=False)
        title = str(rng.choice(FORMS)).format(words[0], words[1])
        return {
            "item_id": f"item-{number}",
            "title": title,
            "description": f"{theme}: {words[2]}, {words[3]} and {words[4]}",
            "categories": [theme],
        }

    def _phrase(self, rng: np.random.Generator, theme: int) -> str:
        return " ".join(rng.choice(THEMES[self.themes[theme]].split(), size=2, replace=False))


def _draw(rng: np.random.Generator, weights: Weights) -> int:
    """A random index, drawn by weights that sum to 1; ten times as fast as `rng.choice`."""
    place = int(np.searchsorted(np.cumsum(weights), rng.random(), side="right"))
    return min(place, len(weights) - 1)
