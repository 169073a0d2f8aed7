"""Rankers: they learn what is used, explain their logits, and keep and merge what they have learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streams.kernels.compiling import numpy_only
from streams.recommend.base import Queries
from streams.recommend.learned.base import LearnedRanker, resume, stored
from streams.recommend.learned.columns import Columns, Feature
from streams.recommend.learned.linear import LinearRanker
from streams.recommend.learned.mlp import MlpRanker
from streams.recommend.learned.parameters import ParametersError, Stored
from streams.recommend.learned.segments import NAMES, segments

COLUMNS = Columns(
    (Feature("noise", "noise", start=1.0), Feature("right", "right"), Feature("sign", "sign", True))
)
each = pytest.mark.parametrize("make", [LinearRanker, MlpRanker])
Make = Callable[[Columns], LearnedRanker]


def answers(count: int, seed: int = 0) -> list[tuple[Any, Any]]:
    """Columns of candidates, and which was used: that of the largest second score."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        scores = random.random((3, 40)).astype(np.float32)
        found.append((COLUMNS.of(scores), np.array([scores[1].argmax()])))
    return found


def rank_of_used(ranker: LearnedRanker) -> float:
    ranks = []
    for columns, used in answers(50, seed=9):
        logits = ranker.logits(columns, 3)
        ranks.append(int((logits > logits[used[0]]).sum()))
    return float(np.mean(ranks))


def taught(make: Make, count: int = 300, seed: int = 0) -> LearnedRanker:
    ranker = make(COLUMNS)
    for columns, used in answers(count, seed):
        ranker.learn(columns, 3, used)
    return ranker


@each
def test_it_learns_which_score_tells_what_is_used(make: Make) -> None:
    assert rank_of_used(make(COLUMNS)) > 10
    assert rank_of_used(taught(make)) < 2


@each
def test_before_it_has_learned_it_ranks_by_its_start(make: Make) -> None:
    (columns, _), *_ = answers(1)
    np.testing.assert_array_equal(make(COLUMNS).logits(columns, 0), columns[0])


@each
def test_the_terms_of_a_logit_add_up_to_it(make: Make) -> None:
    ranker = taught(make)
    (columns, _), *_ = answers(1, seed=5)
    sums = (columns * ranker.slopes(columns, 3)).sum(axis=0)
    left = ranker.logits(columns, 3) - sums
    if ranker.remainder is None:
        np.testing.assert_allclose(left, 0, atol=1e-4)
    else:
        values = ranker.parameters.values
        units = values["hidden"] @ columns + values["context"][3][:, None]
        told = values["context"][3] @ np.where(units > 0, values["out"][:, None], 0)
        np.testing.assert_allclose(left, told, atol=1e-3)


@each
def test_learning_lowers_the_loss_of_what_was_learned(make: Make) -> None:
    ranker = make(COLUMNS)
    (columns, used), *_ = answers(1)

    def loss() -> float:
        logits = ranker.logits(columns, 3).astype(np.float64)
        return float(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[used[0]])

    before = loss()
    ranker.learn(columns, 3, used)
    assert loss() < before


@each
def test_what_is_kept_is_the_same_when_it_is_read(make: Make) -> None:
    ranker, again = taught(make), make(COLUMNS)
    data = stored(ranker).to_bytes()
    resume(again, Stored.from_bytes(data))
    assert stored(again).to_bytes() == data
    for columns, used in answers(5, seed=7):
        ranker.learn(columns, 3, used)
        again.learn(columns, 3, used)
    assert stored(again).to_bytes() == stored(ranker).to_bytes()


def test_columns_are_known_again_by_name() -> None:
    kept = stored(taught(LinearRanker))
    other = LinearRanker(Columns((Feature("new", "new", start=0.25), Feature("right", "right"))))
    resume(other, kept)
    weights = dict(zip(other.columns.names, other.weights(3).tolist(), strict=True))
    before = dict(zip(COLUMNS.names, taught(LinearRanker).parameters.values["all"].tolist(), strict=True))
    assert weights["new.z"] == 0.25
    assert other.parameters.values["all"][3] == np.float32(before["right.z"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: b"", "begin otherwise"),
        (lambda data: b"X" + data[1:], "begin otherwise"),
        (lambda data: data[:4] + b"\x09\x00" + data[6:], "format 9"),
        (lambda data: data[:-4], "damaged"),
        (lambda data: data[:10] + b"\xff" * 20 + data[30:], "damaged"),
    ],
)
def test_what_cannot_be_read_is_told(spoil: Callable[[bytes], bytes], said: str) -> None:
    with pytest.raises(ParametersError, match=said):
        Stored.from_bytes(spoil(stored(LinearRanker(COLUMNS)).to_bytes()))


def test_parameters_of_another_kind_are_refused() -> None:
    with pytest.raises(ParametersError, match="of a linear ranker"):
        resume(MlpRanker(COLUMNS), stored(LinearRanker(COLUMNS)))
    with pytest.raises(ParametersError, match="hidden"):
        resume(MlpRanker(COLUMNS), stored(MlpRanker(COLUMNS, units=8)))


@each
def test_merged_gradients_teach_as_well(make: Make) -> None:
    """Two workers learn of their own users; an owner that sees only their sums ranks well too."""
    owner = make(COLUMNS)
    for turn in range(60):
        for worker in range(2):
            one = make(COLUMNS)
            resume(one, stored(owner))
            for columns, used in answers(5, seed=2 * turn + worker):
                one.learn(columns, 3, used)
            owner.parameters.merge(one.parameters.gradient_sums())
    assert rank_of_used(owner) < 2
    assert owner.parameters.version == 120


@each
def test_sums_are_those_since_the_last_call(make: Make) -> None:
    ranker = taught(make, 3)
    assert any(value.any() for value in ranker.parameters.gradient_sums().values())
    assert not any(value.any() for value in ranker.parameters.gradient_sums().values())
    with pytest.raises(ParametersError, match="other columns"):
        ranker.parameters.merge({})


def test_what_was_not_sent_stays_when_newer_parameters_come() -> None:
    mine, newer = taught(LinearRanker, 3), taught(LinearRanker, 50, seed=1)
    before = newer.parameters.values["all"].copy()
    mine.parameters.adopt(newer.parameters)
    assert mine.parameters.version == 53
    assert (mine.parameters.values["all"] != before).any()
    mine.parameters.gradient_sums()
    mine.parameters.adopt(newer.parameters)
    np.testing.assert_array_equal(mine.parameters.values["all"], before)


def asked(as_of: int | None, times: list[int], ordinals: list[int] | None = None) -> Queries:
    count = len(times)
    return Queries(
        np.zeros((1, 1, 2), np.float32),
        np.ones((1, 1), np.float32),
        [()],
        np.array([[0 if time else -1 for time in times]], dtype=np.int32),
        np.zeros((1, 1, count), np.float32),
        as_of=None if as_of is None else np.array([as_of]),
        history_times=np.array([times]),
        history_ordinals=None if ordinals is None else np.array([ordinals]),
    )


@pytest.mark.parametrize(
    ("queries", "name"),
    [
        (asked(1_000_000, [0, 0]), "2d+, 0-4 events"),
        (asked(1_000_000, [0, 990_000]), "<1m, 0-4 events"),
        (asked(1_000_000, [940_000, 1]), "<1h, 0-4 events"),
        (asked(3 * 24 * 3_600_000, [1]), "2d+, 0-4 events"),
        (asked(24 * 3_600_000, [1] * 6), "<2d, 5-19 events"),
        (asked(None, [1] * 6), "<1m, 5-19 events"),
        (asked(1, [1] * 2, [40, 41]), "<1m, 20+ events"),
    ],
)
def test_segments(queries: Queries, name: str) -> None:
    assert NAMES[segments(queries)[0]] == name
    with numpy_only():
        assert NAMES[segments(queries)[0]] == name
