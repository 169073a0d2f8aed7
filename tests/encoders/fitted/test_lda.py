"""Topics: found where there are some, and mixed for a text as the paper says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.core.base import EncoderError
from encoders.fitted.lda import TopicEncoder, digamma, words_of

KINDS = (("mug", "cup", "tea", "pot"), ("shoe", "boot", "lace", "heel"), ("lamp", "bulb", "shade", "wire"))


def texts(count: int, seed: int = 0) -> list[str]:
    """Of one kind each."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(KINDS[number % 3], 6)) for number in range(count)]


@pytest.fixture(scope="module")
def encoder() -> TopicEncoder:
    return TopicEncoder.fit(lambda: texts(300), topics=3, passes=5)


def test_texts_of_one_topic_are_near_and_of_others_far(encoder: TopicEncoder) -> None:
    cosines = encoder.encode(texts(30, 1)) @ encoder.encode(texts(30, 2)).T
    same = np.equal.outer(np.arange(30) % 3, np.arange(30) % 3)
    assert cosines[same].min() > 0.9
    assert cosines[~same].max() < 0.6


def test_a_mixture_is_that_of_scikit_learn(encoder: TopicEncoder) -> None:
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer

    mixed = [*texts(6, 5), "mug cup lamp", "shoe shoe shoe tea", "lamp"]
    model = LatentDirichletAllocation(3, max_doc_update_iter=500, mean_change_tol=1e-12, random_state=0)
    counts = CountVectorizer(analyzer=words_of, vocabulary=encoder.words).transform(mixed)
    model.partial_fit(counts)
    model.components_ = encoder.weights
    model.exp_dirichlet_component_ = encoder._likely
    np.testing.assert_allclose(encoder.encode(mixed) ** 2, model.transform(counts), atol=2e-3)


def test_digamma() -> None:
    """At 1 and 1/2 by Euler's constant, and by its recurrence."""
    euler = 0.5772156649015329
    assert digamma(np.array([1.0, 0.5])) == pytest.approx(
        np.array([-euler, -euler - 2 * np.log(2)]), abs=1e-11
    )
    x = np.geomspace(1e-3, 1e6, 50)
    np.testing.assert_allclose(digamma(x + 1) - digamma(x), 1 / x, atol=1e-9)


def test_the_seed_decides() -> None:
    def made(seed: int) -> str:
        return TopicEncoder.fit(lambda: texts(60), topics=3, passes=1, seed=seed).revision

    assert made(0) == made(0) != made(1)


def test_it_is_saved_and_loaded(encoder: TopicEncoder, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "topics.safetensors"
    encoder.save(path)
    again = TopicEncoder.load(path)
    assert again.revision == encoder.revision
    assert np.array_equal(again.encode(texts(9)), encoder.encode(texts(9)))


def test_texts_without_words_in_common_have_no_topics() -> None:
    with pytest.raises(EncoderError, match="2 texts share fewer than two words"):
        TopicEncoder.fit(lambda: ["red mug", "blue shoe"], topics=2)
