"""Settings that are right by themselves, but do nothing, or count twice, beside others."""

from __future__ import annotations

import logging

from streams.settings.action_words import known_word
from streams.settings.section import ENV_PREFIX
from streams.settings.sections.ranking import RankingSettings
from streams.settings.settings import PLACES, Settings, SettingsError

log = logging.getLogger(__name__)


def require(settings: Settings) -> None:
    """Raises SettingsError where feedback has no lists, or counts an impression as a use of what was shown."""
    if not settings.feedback.enabled:
        return
    if not settings.recommendations.enabled:
        raise SettingsError("INTERESTFLOW_FEEDBACK needs lists to be judged: set INTERESTFLOW_RECOMMEND=true")
    rules = settings.weights.action_rules
    for action in settings.feedback.impression_actions:
        word = known_word(action, rules)
        if word is not None and rules[word].weight > 0:
            raise SettingsError(
                f"INTERESTFLOW_IMPRESSION_ACTIONS: {action} has a weight above 0, so it would be a use of what it "
                f"shows, too: name another action, or give it the weight 0 in INTERESTFLOW_ACTIONS"
            )


def tell_of_idle(settings: Settings) -> None:
    """Log the settings of the ranker that were given to a recommender without one."""
    if settings.recommendations.recommender != "content":
        return
    default, given = RankingSettings(), settings.ranking
    own = {flat: name for flat, (section, name) in PLACES.items() if section == "ranking"}
    idle = [flat for flat, name in own.items() if getattr(default, name) != getattr(given, name)]
    if idle:
        log.warning(
            "%s: of no effect with INTERESTFLOW_RECOMMENDER=content; set it to hybrid",
            ", ".join(f"{ENV_PREFIX}{name.upper()}" for name in idle),
        )
