"""The command, from the data set's file to settings that a worker takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.commands.main import app
from streams.history.evaluate.baselines.search import Between, OneOf
from streams.history.evaluate.live_tuning import LEARNED, SEARCHED, TuneError, parse, space_of, with_values
from streams.settings import configuration
from streams.settings.settings import Settings
from tests.streams.history.evaluate.shop import shop_file


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop's file, of the visits of `drawn`."""
    monkeypatch.setenv("INTERESTFLOW_ENCODER", "hashing")
    return shop_file(tmp_path)


def run(shop: Path, *more: str) -> Any:
    named = ("--dataset", "online-retail", "--out", str(shop.parent / "tuned.toml"))
    return CliRunner().invoke(app, ["tune", str(shop), *named, *more])


def test_the_file_is_taken_as_settings(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ("--search", "short_share=0.1,0.9", "--search", "history_length=4:9", "--trials", "4")
    result = run(shop, *wanted, "--recommender", "content", "--task", "all")
    assert result.exit_code == 0, result.output
    assert "first half: NDCG@10" in result.output
    file = shop.parent / "tuned.toml"
    assert "of 4 trials (random, seed 0) on the first half of online-retail, task all" in file.read_text()
    monkeypatch.setenv(configuration.CONFIG_VARIABLE, str(file))
    settings = configuration.load()
    assert settings.recommendations.recommender == "content"
    assert not settings.recommendations.exclude_consumed
    assert not settings.recommendations.learn_items
    written = "short_share" in file.read_text()
    assert (settings.interest.short_share in (0.1, 0.9)) == written
    assert ("second half" in result.output) == written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--search", "short_share"), "write NAME=LOW:HIGH"),
        (("--recommender", "popularity"), "--recommender popularity --tune 8` tunes it"),
        (("--recommender", "popularity", "--search", "short_share=0:1"), "which has no settings of a worker"),
        (("--search", "short_share=a:2"), "with two numbers"),
        (("--search", "short_share=2:1"), "LOW must not be above HIGH"),
        (("--search", "encoder=hashing"), "cannot be searched; what can: history_length"),
        (
            ("--search", "short_share=7,8", "--recommender", "content"),
            "the settings do not allow short_share",
        ),
        (("--search", "learn_items=true,false"), "'learn_items' cannot be searched"),
        (("--search", "exclude_consumed=true,false"), "'exclude_consumed' cannot be searched"),
        (("--search", "history_length=8:5000", "--recommender", "content"), "history_length 5000"),
        (("--recommender", "contnet"), "contnet"),
        (("--limit", "1"), "the first half holds no target"),
    ],
)
def test_what_is_wrong_is_told(shop: Path, options: tuple[str, ...], message: str) -> None:
    result = run(shop, *options)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["popularity", "contnet"])
def test_a_recommender_that_cannot_be_tuned_is_told_before_any_data_is_read(
    tmp_path: Path, name: str
) -> None:
    result = run(tmp_path / "nothing.csv", "--recommender", name)
    assert result.exit_code == 1
    assert "content" in result.output
    assert "nothing.csv" not in result.output


def test_choices_as_they_are_written() -> None:
    assert parse("history_length=4:9") == ("history_length", Between(4, 9, whole=True))
    assert parse("ranking_rate=0.01:1:log") == ("ranking_rate", Between(0.01, 1, log=True))
    assert parse("ranker=linear,mlp") == ("ranker", OneOf(("linear", "mlp")))
    assert parse("ranking_exclude_disliked=true,false")[1] == OneOf((True, False))


def test_what_is_searched_by_itself_lies_in_what_the_settings_allow() -> None:
    settings = Settings()
    for name, choice in (SEARCHED | LEARNED).items():
        ends = choice.values if isinstance(choice, OneOf) else (choice.low, choice.high)
        for value in ends:
            with_values(settings, {name: value})
    assert set(space_of(settings.model_copy(update={"recommender": "hybrid"}), ())) == {*SEARCHED, *LEARNED}
    assert set(space_of(settings.model_copy(update={"recommender": "content"}), ())) == set(SEARCHED)
    by_days = settings.model_copy(update={"short_half_life_unit": "seconds"})
    assert space_of(by_days, ())["short_half_life"] != SEARCHED["short_half_life"]
    with pytest.raises(TuneError, match="do not allow short_share 3"):
        with_values(settings, {"short_share": 3})
