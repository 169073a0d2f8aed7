"""Sentiment: what every implementation promises, the word lists on plain examples, and labels that are understood."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.core.base import EncoderError, counts, identity
from encoders.sentiment.base import Sentiment
from encoders.sentiment.classifier import SentimentClassifier, label_values
from encoders.sentiment.lexicon import LIST, ChineseLexicon, LexiconSentiment, script
from tests.encoders.tiny import make_bert, make_classifier

TEXTS = [
    "love the red shoes",
    "terrible",
    "",
    "很喜欢",
    "太差了",
    "красный",
    "\ud800",
    "mug " * 900,
    "👍",
    "42",
]


THREE = {0: "negative", 1: "neutral", 2: "positive"}
MAKERS: dict[str, Callable[[Path], Sentiment]] = {
    "lexicon": lambda folder: LexiconSentiment(),
    "classifier": lambda folder: SentimentClassifier(
        str(make_classifier(folder, THREE)), max_length=32, token_budget=64, device="cpu", threads=1
    ),
}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def sentiment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sentiment:
    return MAKERS[request.param](tmp_path_factory.mktemp("sentiment"))


@pytest.fixture(scope="module")
def lexicon() -> LexiconSentiment:
    return LexiconSentiment()


def one(sentiment: Sentiment, text: str) -> float:
    return float(sentiment.score([text])[0])


def test_scores_lie_in_their_range_and_differ(sentiment: Sentiment) -> None:
    scores = sentiment.score(TEXTS)
    assert scores.dtype == np.float32
    assert scores.shape == (len(TEXTS),)
    assert np.abs(scores).max() <= 1
    assert len(set(scores.round(5).tolist())) > 3
    assert sentiment.score([]).shape == (0,)


@given(texts=st.lists(st.sampled_from(TEXTS) | st.text(max_size=40), min_size=1, max_size=8))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_has_one_score_in_any_batch_and_order(sentiment: Sentiment, texts: list[str]) -> None:
    together = sentiment.score(texts)
    assert np.isfinite(together).all()
    assert np.abs(together).max() <= 1
    assert together == pytest.approx(np.array([one(sentiment, text) for text in texts]), abs=1e-6)
    assert together[::-1] == pytest.approx(sentiment.score(texts[::-1]), abs=1e-6)


def test_it_says_which_model_it_is_and_counts(sentiment: Sentiment) -> None:
    before = counts(sentiment)["sentiment"]["scored"]
    sentiment.score(["good", "bad"])
    assert counts(sentiment)["sentiment"]["scored"] == before + 2
    assert identity(sentiment) == f"{sentiment.id}@{sentiment.revision}"


PRAISE = [
    "I love it",
    "Great quality, would buy again!",
    "The best film I have seen this year.",
    "😍😍",
    "很喜欢，质量非常好",
    "物超所值，强烈推荐",
    "這本書很好看，非常滿意",
    "这个 iPhone 很好用",
]
COMPLAINTS = [
    "terrible, broke after a day",
    "Worst purchase ever, a waste of money",
    "I hate the smell",
    "太差了，用了一天就坏了",
    "垃圾，千万别买",
    "服务态度恶劣，很失望",
    "質量太差，後悔買了",
]
NEUTRAL = [
    "The parcel arrived on Tuesday.",
    "Is it available in blue?",
    "",
    "42",
    "包裹星期二到了。",
    "我昨天买了这个杯子",
    "好不好用？",
    "最好在周末去，好像美国也有",
]
NEGATED = [
    "not good",
    "This is not a great mug",
    "I don't like it",
    "不好",
    "不是很好",
    "没有想象中好",
    "一点都不好吃",
]


@pytest.mark.parametrize("text", PRAISE)
def test_praise_scores_high(lexicon: LexiconSentiment, text: str) -> None:
    assert one(lexicon, text) > 0.3


@pytest.mark.parametrize("text", COMPLAINTS)
def test_a_complaint_scores_low(lexicon: LexiconSentiment, text: str) -> None:
    assert one(lexicon, text) < -0.3


@pytest.mark.parametrize("text", NEUTRAL)
def test_what_neither_praises_nor_complains_scores_near_zero(lexicon: LexiconSentiment, text: str) -> None:
    assert abs(one(lexicon, text)) < 0.1


@pytest.mark.parametrize("text", NEGATED)
def test_a_negation_turns_praise(lexicon: LexiconSentiment, text: str) -> None:
    assert one(lexicon, text) < 0


def test_two_negations_are_praise_degrees_count_and_a_contrast_decides(lexicon: LexiconSentiment) -> None:
    assert one(lexicon, "没有不满意") > 0
    assert one(lexicon, "有点好") < one(lexicon, "好") < one(lexicon, "非常好")
    assert one(lexicon, "便宜，但是太慢") < one(lexicon, "便宜，太慢") < one(lexicon, "太慢，但是便宜")


def test_a_negation_reaches_no_further_than_its_clause(lexicon: LexiconSentiment) -> None:
    assert one(lexicon, "不，很好") > 0.3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good mug", "english"),
        ("很好", "chinese"),
        ("iPhone 很好用", "chinese"),
        ("the kanji 好 means good", "english"),
        ("отличная кружка", None),
        ("とても素晴らしいです", None),
        ("😍", "english"),
        ("", "english"),
    ],
)
def test_the_language_is_told_by_the_script(text: str, expected: str | None) -> None:
    assert script(text) == expected


def test_a_text_of_another_script_scores_nothing_and_is_counted() -> None:
    lexicon = LexiconSentiment()
    assert lexicon.score(["ужасно", "good", "最悪です"]).tolist()[::2] == [0.0, 0.0]
    assert lexicon.counts()["sentiment"] == {"scored": 1, "unscored": 2}


def test_a_word_stands_in_the_list_once() -> None:
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    words = Counter(word for line in lines for word in line.split()[1:])
    assert [word for word, count in words.items() if count > 1] == []
    assert len(words) > 1000


def test_the_longest_word_is_read() -> None:
    words = {"好": ("valence", 2.0), "好像": ("plain", 0.0)}
    chinese = ChineseLexicon(words, {})
    assert chinese.score("好像") == 0 < chinese.score("像好")


def test_without_vader_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.startswith("vaderSentiment"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(EncoderError, match=r"interestflow\[sentiment\]"):
        LexiconSentiment()


# --- labels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (["Negative", "Neutral", "Positive"], [-1, 0, 1]),
        (["NEG", "POS"], [-1, 1]),
        (["1 star", "2 stars", "3 stars", "4 stars", "5 stars"], [-1, -0.5, 0, 0.5, 1]),
        (["Very Negative", "Negative", "Neutral", "Positive", "Very Positive"], [-1, -0.5, 0, 0.5, 1]),
        (["负面", "正面"], [-1, 1]),
    ],
)
def test_labels_that_say_what_they_mean(names: list[str], values: list[float]) -> None:
    assert label_values(dict(enumerate(names)), None) == values


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (["LABEL_0", "LABEL_1"], None),
        (["joy", "anger"], None),
        (["positive"], None),
        (["LABEL_0", "LABEL_1"], {"LABEL_0": -1.0}),
        (["LABEL_0", "LABEL_1"], {"LABEL_0": -1.0, "LABEL_1": 1.0, "LABEL_2": 0.0}),
        (["LABEL_0", "LABEL_1"], {"LABEL_0": -1.0, "LABEL_1": 3.0}),
    ],
)
def test_labels_that_are_not_understood_are_refused(names: list[str], given: Any) -> None:
    with pytest.raises(EncoderError, match="INTERESTFLOW_SENTIMENT_LABELS"):
        label_values(dict(enumerate(names)), given)


def test_labels_are_given_by_setting() -> None:
    assert label_values({0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_1": -1, "LABEL_0": 0.5}) == [0.5, -1]


# --- the classifier --------------------------------------------------------------------------------------


def test_the_score_is_the_mean_of_the_labels_values(tmp_path: Path) -> None:
    folder = make_classifier(tmp_path, THREE, bias=[0.0, 0.7, 2.0])
    shares = np.exp([0.0, 0.7, 2.0]) / np.exp([0.0, 0.7, 2.0]).sum()
    scores = SentimentClassifier(str(folder), device="cpu").score(["a mug", "the red shoes"])
    assert scores == pytest.approx([shares[2] - shares[0]] * 2, abs=1e-6)


def test_its_revision_follows_weights_and_labels(tmp_path: Path) -> None:
    folders = [
        make_classifier(tmp_path / "a", {0: "LABEL_0", 1: "LABEL_1"}, [0.0, 1.0]),
        make_classifier(tmp_path / "b", {0: "LABEL_0", 1: "LABEL_1"}, [0.0, 2.0]),
    ]
    one_way, other_way = {"LABEL_0": -1.0, "LABEL_1": 1.0}, {"LABEL_0": 1.0, "LABEL_1": -1.0}
    revisions = [
        SentimentClassifier(str(folder), labels=labels, device="cpu").revision
        for folder, labels in ((folders[0], one_way), (folders[0], other_way), (folders[1], one_way))
    ]
    assert len(set(revisions)) == 3
    assert SentimentClassifier(str(folders[0]), labels=one_way, device="cpu").revision == revisions[0]


def test_a_model_without_a_trained_head_is_no_classifier(tmp_path: Path) -> None:
    with pytest.raises(
        EncoderError, match="no whole BertForSequenceClassification: its weights lack classifier"
    ):
        SentimentClassifier(str(make_bert(tmp_path)), device="cpu")
