"""Settings that do nothing, or count twice, beside others."""

from __future__ import annotations

import json
import logging

import pytest

from streams.settings.settings import Settings, SettingsError
from streams.wiring import combinations


def test_feedback_without_lists_is_refused() -> None:
    combinations.require(Settings(recommend=False))
    combinations.require(Settings(feedback=True))
    with pytest.raises(SettingsError, match="INTERESTFLOW_RECOMMEND=true"):
        combinations.require(Settings(feedback=True, recommend=False))


@pytest.mark.parametrize("action", ["click", "Clicked"])
def test_an_impression_that_is_a_use_is_refused(action: str) -> None:
    with pytest.raises(SettingsError, match=f"{action} has a weight above 0"):
        combinations.require(Settings(feedback=True, impression_actions=("impression", action)))
    combinations.require(
        Settings(feedback=True, impression_actions=(action,), actions=json.loads('{"click": {"weight": 0}}'))
    )


def test_settings_of_a_ranker_that_is_not_there_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        combinations.tell_of_idle(Settings())
        combinations.tell_of_idle(Settings(recommender="hybrid", ranking_caps="categories=1"))
        assert not caplog.messages
        combinations.tell_of_idle(Settings(ranking_caps="categories=1", ranking_exploration=0.3))
    (said,) = caplog.messages
    assert "INTERESTFLOW_RANKING_EXPLORATION, INTERESTFLOW_RANKING_CAPS" in said
