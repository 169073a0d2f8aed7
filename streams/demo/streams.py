"""Generated streams for the scenes that no public data set shows: news that age within hours, and searches.

Pure and seeded. They show that a scene runs and what its settings change; they say nothing of real readers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from streams.demo.simulate import FORMS, THEMES, World

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
# When the streams begin: 1 January 2026, UTC.
START_MS = 1_767_225_600_000
# News: a story's appeal halves in this time, and is gone after a day. Readers are after two themes, and read a story of
# these so many times as often as another.
APPEAL_HALF_LIFE_MS, FITTING = 90 * 60_000, 8.0
STORIES_PER_DAY, NEWS_DAYS = 300, 4
# Searches: the days over which a world's events are spread, and the items of each advertiser.
SEARCH_DAYS, ITEMS_PER_ADVERTISER = 14, 12


class Generated(NamedTuple):
    """items: catalog records. events: native events, in event-time order."""

    items: list[dict[str, Any]]
    events: list[dict[str, Any]]


def news(seed: int, users: int, events: int) -> Generated:
    """Readers who click on stories of the last day, fresh and widely read ones first, mostly of their own themes."""
    rng = np.random.default_rng([seed, 2])
    count = STORIES_PER_DAY * NEWS_DAYS
    published = np.sort(rng.integers(0, NEWS_DAYS * DAY_MS, count))
    themes = rng.integers(0, len(THEMES), count)
    # A few stories are read by most.
    appeal = rng.pareto(1.5, count) + 0.1
    tastes = np.stack([rng.permutation(len(THEMES))[:2] for _ in range(users)])
    clicks = list[dict[str, Any]]()
    for number, moment in enumerate(np.sort(rng.integers(HOUR_MS, NEWS_DAYS * DAY_MS, events)).tolist()):
        user = int(rng.integers(users))
        age = moment - published
        chances = np.where((age >= 0) & (age < DAY_MS), appeal * 2.0 ** (-age / APPEAL_HALF_LIFE_MS), 0.0)
        chances = np.where(np.isin(themes, tastes[user]), FITTING * chances, chances)
        story = int(rng.choice(count, p=chances / chances.sum()))
        clicks.append(_event(number, user, moment, action="click", item_id=f"story-{story}"))
    names = list(THEMES)
    return Generated([_story(rng, number, names[theme]) for number, theme in enumerate(themes)], clicks)


def searches(seed: int, users: int, events: int) -> Generated:
    """The shop of the demo: what users search for, view and buy follows interests that drift and shift."""
    world = World(seed, users)
    found = []
    for number, simulated in enumerate(world.events(events)):
        if simulated.valid:
            moment = START_MS + int(simulated.share * SEARCH_DAYS * DAY_MS)
            found.append({**simulated.event, "event_id": f"sim-{number}", "timestamp": moment})
    items = [
        {**item, "attributes": {"advertiser": f"advertiser-{number // ITEMS_PER_ADVERTISER}"}}
        for number, item in enumerate(world.items)
    ]
    return Generated(items, found)


STREAMS: dict[str, Callable[[int, int, int], Generated]] = {"news": news, "search": searches}


def _event(number: int, user: int, moment: int, **more: str) -> dict[str, Any]:
    about = {"event_id": f"sim-{number}", "user_id": f"user-{user}", "source": "simulation"}
    return {**about, **more, "timestamp": START_MS + moment}


def _story(rng: np.random.Generator, number: int, theme: str) -> dict[str, Any]:
    words = rng.choice(THEMES[theme].split(), size=4, replace=False)
    return {
        "item_id": f"story-{number}",
        "title": str(rng.choice(FORMS)).format(words[0], words[1]),
        "description": f"{theme}: {words[2]} and {words[3]}",
        "categories": [theme],
    }
