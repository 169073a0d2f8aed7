"""How often users come back to an item."""

from __future__ import annotations

import numpy as np
import pytest

from streams.recommend.sources.returns import Returns


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int32)


def test_unknown_items_are_all_alike() -> None:
    assert Returns().rates(rows(0, 7)).tolist() == pytest.approx([0.2, 0.2])


def test_a_return_is_a_use_by_who_knew_the_item() -> None:
    returns = Returns()
    returns.learn(rows(), {3, 5})
    returns.learn(rows(3), {3, 5})
    returns.learn(rows(3, 5, 9), {3})
    assert returns.rates(rows(3, 5, 9)).tolist() == pytest.approx([3 / 8, 1 / 7, 1 / 5])


def test_nothing_used_teaches_nothing() -> None:
    returns = Returns()
    returns.learn(rows(1), set())
    assert returns.rates(rows(1)).tolist() == pytest.approx([0.2])
