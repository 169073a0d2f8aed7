"""Sentiment in the stream: praise pulls, a complaint pushes away, live as in a replay, and a failure is isolated."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from encoders.sentiment.lexicon import LexiconSentiment
from encoders.text.hashing import HashingEncoder
from streams.events.isolation import EverythingFailsError
from streams.flow.encoding import Scoring
from streams.flow.flow import Decoded, Flow, Updated
from streams.flow.signals import SentimentWeight
from streams.history.replay import replay
from streams.ops.backoff import Backoff
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics
from streams.settings.settings import Settings, SettingsError
from streams.wiring.app import build_flow, state_space
from streams.wiring.encoder import build_scoring
from tests.streams.events.test_isolation import balanced, everything
from tests.streams.flows import DIM, Record, item_vector, make_flow, record, vectors
from tests.streams.history.test_replay import states
from tests.streams.parts import BatchEvent, make_parts, run

ENCODER = HashingEncoder(DIM)
SCORING = Scoring(LexiconSentiment(), frozenset(("comment", "review")))
TEXTS = ["terrible, broke after a day", "love it", "it is a mug", "很喜欢", "太差了", "ужасно", None]


class Picky:
    """Scores 0, but raises for `poison`, gives no number for `nan`, and is away while `down`."""

    id, revision, down = "picky", "1", False

    def score(self, texts: Sequence[str]) -> Any:
        if self.down or "poison" in texts:
            raise ValueError("not this text")
        return np.array([np.nan if text == "nan" else 0.0 for text in texts], dtype=np.float32)


def fold(flow: Flow, records: Sequence[Record], scoring: Scoring | None = SCORING) -> Updated:
    """Decode, encode, score and update one batch."""
    decoded = flow.decode(records)
    return flow.update(records[0].partition, decoded, Flow.encode(ENCODER, decoded, scoring))


def comment(text: str | None, offset: int = 0, item: str = "i0", user: str = "u", **fields: Any) -> Record:
    return record(offset, user, item, **{"action": "comment", "text": text, **fields})


def weight(text: str | None, scoring: Scoring | None = SCORING, **fields: Any) -> float:
    """The weight under which a fresh user's state remembers this comment."""
    flow = make_flow()
    fold(flow, [comment(text, **fields)], scoring)
    return float(flow.layout.view(flow.partitions[0].arena)["history"][0]["weight"][0])


@given(score=st.floats(-1, 1), more=st.floats(0, 0.01), neutral=st.floats(0, 1), gain=st.floats(0.1, 10))
def test_the_factor_is_continuous_and_bounded(score: float, more: float, neutral: float, gain: float) -> None:
    sentiment_weight = SentimentWeight(neutral, gain)
    first, second = sentiment_weight.factors({0: score, 1: min(1.0, score + more)}, 2).tolist()
    assert abs(first) <= max(neutral, gain) * 1.0001
    assert abs(second - first) <= (neutral + gain) * more + 1e-5


def test_the_factor_of_praise_of_a_complaint_and_of_neither() -> None:
    factors = SentimentWeight(0.25, 1.5).factors({0: 1.0, 1: -1.0, 2: 0.0}, 4)
    assert factors.tolist() == [1.5, -1.5, 0.25, 1.0]
    assert SentimentWeight(0.25, 1.0).factors({0: -0.2}, 1)[0] == pytest.approx(0, abs=1e-7)


def test_praise_pulls_a_complaint_pushes_and_a_neutral_comment_pulls_a_little() -> None:
    praise, complaint, neutral = weight("love it"), weight("terrible, broke after a day"), weight("a mug")
    assert complaint < -1 < 0 < neutral < 1 < praise
    assert neutral == pytest.approx(2 * 0.25)
    assert weight("太差了，用了一天就坏了") < -1
    # A language that neither list knows is neutral, too.
    assert weight("ужасная кружка") == neutral


@pytest.mark.parametrize(("text", "sign"), [("love it", 1), ("terrible, broke after a day", -1)])
def test_the_users_vector_moves_towards_what_is_praised_and_away_from_the_other(text: str, sign: int) -> None:
    flow = make_flow()
    before = vectors(fold(flow, [record(0, item="i1")]))["u"]
    after = vectors(fold(flow, [comment(text, 1, "i2")]))["u"]
    near = [np.frombuffer(b64decode(one["vector"]), "<f4") @ item_vector(2) for one in (before, after)]
    assert (near[1] - near[0]) * sign > 0.1


def test_without_a_model_and_for_other_actions_a_text_changes_no_weight() -> None:
    assert weight("terrible", scoring=None) == weight("love it", scoring=None) == weight(None) == 2.0
    assert weight("terrible", action="like") == weight("love it", action="like") == 3.0
    assert build_scoring(Settings(encoder="hashing")) is None


def test_the_value_scales_beside_the_sentiment() -> None:
    flow = make_flow(actions={"review": {"weight": 2, "scale": "linear"}})
    fold(flow, [comment("", action="review", value=3.0), comment("a mug", 1, action="review", value=3.0)])
    history = flow.layout.view(flow.partitions[0].arena)["history"][0]
    assert history["weight"][:2].tolist() == [6.0, 1.5]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["u0", "u1", "u2"]),
        st.sampled_from(["i0", "i1", "missing"]),
        st.sampled_from(["comment", "review", "click", "like"]),
        st.sampled_from(TEXTS),
    ),
    min_size=1,
    max_size=30,
)


def log_of(events: Any) -> list[Record]:
    return [
        record(offset, user, item, action=action, text=text)
        for offset, (user, item, action, text) in enumerate(events)
    ]


@given(events=EVENTS, cuts=st.sets(st.integers(1, 29), max_size=4))
@hypothesis_settings(max_examples=40)
def test_a_replay_gives_the_bits_of_the_live_run(events: Any, cuts: set[int]) -> None:
    log, live, again = log_of(events), make_flow(), make_flow()
    for begin, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]):
        fold(live, log[begin:end])
    published = dict(replay(again, ENCODER, log, SCORING))
    assert states(again, "model") == states(live, "model")
    assert states(again, "history") == states(live, "history")
    assert len(published) == len({user for user, item, *_ in events if item != "missing"})


def test_an_event_that_had_waited_is_scored_too() -> None:
    flow = make_flow()
    fold(flow, [comment("terrible", item="new")])
    flow.catalog.put("new", item_vector(50))
    (released,) = flow.ready_events().values()
    flow.update(0, released, Flow.encode(ENCODER, released, SCORING))
    history = flow.layout.view(flow.partitions[0].arena)["history"][0]
    assert history["weight"][0] == np.float32(weight("terrible")) < 0


def test_an_event_whose_text_cannot_be_scored_is_isolated() -> None:
    texts = ["fine", "poison", None, "nan", "good", "poison"]
    log = [comment(text, n, user=f"u{n}") for n, text in enumerate(texts)]
    log[5] = record(5, "u5", "i0", action="like", text="poison")  # never asked
    picky = Scoring(Picky(), SCORING.actions)
    flow, plain = make_flow(), make_flow()
    updated = fold(flow, log, picky)
    found = [(kept.offset, reason.stage, str(reason.reason)) for kept, reason in updated.isolated]
    assert found == [(1, "update.sentiment", "handling_failed"), (3, "update.sentiment", "not_finite")]
    fold(plain, [Record(b"{", r.offset) if r.offset in (1, 3) else r for r in log], picky)
    assert everything(flow)[0] == everything(plain)[0]
    assert balanced(flow)


def test_scores_stay_with_their_events_around_one_that_cannot_be_folded() -> None:
    texts = ["love it", "poison", "terrible", None, "a mug"]
    log = [comment(text, n, user=f"u{n}") for n, text in enumerate(texts)]
    flow, plain = make_flow(), make_flow()
    weigh = flow.event_weights.weigh

    def raising(events: Any, *arguments: Any) -> Any:
        if any(event.text == "poison" for event in events):
            raise ValueError("of this I cannot eat")
        return weigh(events, *arguments)

    flow.event_weights.weigh = raising  # type: ignore[method-assign]
    assert len(fold(flow, log).isolated) == 1
    fold(plain, [Record(b"{", r.offset) if r.offset == 1 else r for r in log])
    assert everything(flow)[0] == everything(plain)[0]


def test_a_model_that_scores_nothing_any_more_isolates_nobody() -> None:
    picky = Picky()
    picky.down = True
    with pytest.raises(EverythingFailsError, match="not this text"):
        Flow.encode(ENCODER, make_flow().decode([comment("fine")]), Scoring(picky, SCORING.actions))


async def test_the_update_stage_scores_on_its_way_and_waits_for_a_model_that_is_away() -> None:
    settings, metrics, picky = Settings(dimensions=DIM, encoder="hashing"), Metrics(), Picky()
    ended: list[BaseException] = []

    def wait(seconds: float) -> bool:
        picky.down = False
        return False

    backoff = Backoff(metrics, Health(), 60.0, wait=wait)
    flow, scoring = make_flow(), Scoring(picky, SCORING.actions)
    parts = make_parts(
        settings, flow, ENCODER, ended.append, metrics=metrics, backoff=backoff, scoring=scoring
    )
    picky.down = True
    batch = await run(parts, parts.update, BatchEvent([comment("a mug")]))
    parts.runner.close()
    assert batch.acked
    assert not ended
    assert metrics.registry.get_sample_value("interestflow_retries_total", {"stage": "encode"}) == 1
    history = flow.layout.view(flow.partitions[0].arena)["history"][0]
    assert history["weight"][0] == 0.5


def test_states_of_two_sentiments_never_mix() -> None:
    settings = Settings(dimensions=DIM, encoder="hashing")
    spaces = [state_space(ENCODER, scoring) for scoring in (None, SCORING, Scoring(Picky(), frozenset()))]
    assert len({build_flow(settings, space).layout.id for space in spaces}) == 3
    assert spaces[0] == "hashing@16-0"


def test_the_setting_builds_what_it_names() -> None:
    scoring = build_scoring(Settings(encoder="hashing", sentiment="lexicon"))
    assert scoring is not None
    assert all(action in scoring.actions for action in ("comment", "review", "Reviewed"))
    assert "purchase" not in scoring.actions
    assert scoring.sentiment.id == "lexicon"


def test_an_unknown_action_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match=r"no rule for coment: .*INTERESTFLOW_ACTIONS"):
        build_scoring(Settings(sentiment="lexicon", sentiment_actions=("coment",)))


@pytest.mark.parametrize("wrong", [{"sentiment_neutral": -0.1}, {"sentiment_gain": 0.0}, {"sentiment": ""}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_a_decoded_batch_names_whose_texts_are_scored() -> None:
    decoded: Decoded = make_flow().decode([comment("a"), comment(None, 1), comment("b", 2, action="like")])
    assert decoded.with_text(frozenset(("comment",))) == [0]
