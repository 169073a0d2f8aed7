"""What several workers teach the vectors adds up, and nobody forgets meanwhile what was not told yet."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from streams.items.towers import DIM, TOWERS_DTYPE, WINDOWS, TowerChanges, add
from streams.kernels.compiling import compiled, numpy_only
from streams.recommend.catalog import Catalog
from streams.recommend.sources.two_tower import NAMES, TwoTowerSource
from streams.recommend.towers.item_towers import ItemTowers
from tests.contracts.test_recommender_contract import asked

ITEMS = 30
ALL = np.arange(ITEMS, dtype=np.int32)


def catalog(seed: int = 0) -> Catalog:
    made, rng = Catalog(DIM), np.random.default_rng(seed)
    for item in range(ITEMS):
        made.put(f"i{item}", rng.standard_normal(DIM).astype(np.float32))
    return made


def towers(items: Catalog, shared: bool = True) -> ItemTowers:
    made = ItemTowers()
    if shared:
        made.share()
    made.follow(items)
    return made


def teach(made: ItemTowers, seed: int, uses: int = 40) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(uses):
        first = 2 * int(rng.integers(ITEMS // 2))
        made.learn([np.array([first], dtype=np.int32)] * len(WINDOWS), {first + 1})


def state() -> np.ndarray:
    return np.zeros(ITEMS, dtype=TOWERS_DTYPE)


def vectors(made: ItemTowers) -> np.ndarray:
    """(ITEMS, PARTS, DIM)."""
    return np.concatenate([one.read(ALL)[0] for one in made.each], axis=1)


def squares(made: ItemTowers) -> np.ndarray:
    return np.concatenate([one.read(ALL)[1] for one in made.each], axis=1)


def tell(made: ItemTowers, kept: np.ndarray) -> TowerChanges:
    rows, told = made.take()
    add(kept, rows.astype(np.int64), told)
    return told


def put(made: ItemTowers, kept: np.ndarray) -> None:
    made.put(ALL, kept["uses"], kept["squares"], kept["sums"])


def test_what_is_told_adds_up_to_what_was_learned_but_for_rounding() -> None:
    items, kept = catalog(), state()
    made, alone = towers(items), towers(items, shared=False)
    start = vectors(made)
    for seed in range(5):
        teach(made, seed)
        teach(alone, seed)
        tell(made, kept)
    assert made.unsent == 0
    # float16 has eleven bits: each change is told but for 2^-12 of it, and the vectors go on from what was told.
    np.testing.assert_allclose(start + kept["sums"], vectors(made), atol=1e-6)
    assert (np.abs(vectors(made) - vectors(alone)) <= 0.02).all()
    assert kept["uses"].sum() == made.uses == 200
    np.testing.assert_allclose(kept["squares"], squares(made), rtol=1e-4, atol=1e-7)


def test_rounding_takes_no_more_than_its_share_of_a_change() -> None:
    made = towers(catalog())
    teach(made, 1)
    before = vectors(made)
    start = vectors(towers(catalog()))
    made.take()
    change = np.abs(before - start)
    assert (np.abs(vectors(made) - before) <= change * 2.0**-11 + 2.0**-23).all()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_three_workers_end_with_the_same_bits_in_whichever_order_they_tell(order: tuple[int, ...]) -> None:
    items, kept = catalog(), state()
    workers = [towers(items) for _ in range(3)]
    for number, made in enumerate(workers):
        teach(made, number)
    told = [made.take() for made in workers]
    for number in order:
        rows, changes = told[number]
        add(kept, rows.astype(np.int64), changes)
    for made in workers:
        put(made, kept)
    assert vectors(workers[0]).tobytes() == vectors(workers[1]).tobytes() == vectors(workers[2]).tobytes()
    assert [made.uses for made in workers] == [120, 120, 120]
    # One that begins, and knows nothing but what was put.
    new = towers(items)
    put(new, kept)
    assert vectors(new).tobytes() == vectors(workers[0]).tobytes()
    assert squares(new).tobytes() == squares(workers[0]).tobytes()


def test_what_was_not_told_stays_on_top_of_what_is_put() -> None:
    items, kept = catalog(), state()
    one, other = towers(items), towers(items)
    teach(other, 1)
    tell(other, kept)
    teach(one, 2)
    own = vectors(one) - vectors(towers(items))
    put(one, kept)
    np.testing.assert_allclose(vectors(one), vectors(other) + own, atol=1e-6)
    assert one.uses == 80
    tell(one, kept)
    put(one, kept)
    put(other, kept)
    assert vectors(one).tobytes() == vectors(other).tobytes()


def test_those_that_moved_furthest_are_told_first_and_the_others_later() -> None:
    items, kept = catalog(), state()
    made = towers(items)
    teach(made, 3)
    moved = np.square(vectors(made) - vectors(towers(items))).sum((1, 2))
    rows, changes = made.take(5)
    assert set(rows.tolist()) == set(np.argsort(-moved)[:5].tolist())
    assert made.unsent > 0
    add(kept, rows.astype(np.int64), changes)
    tell(made, kept)
    assert (made.unsent, len(made.take()[0])) == (0, 0)
    np.testing.assert_allclose(vectors(towers(items)) + kept["sums"], vectors(made), atol=1e-6)
    assert kept["uses"].sum() == 40


def test_without_compiled_code_the_same_is_told() -> None:
    def told() -> list[tuple[list[int], TowerChanges]]:
        made, found = towers(catalog()), list[tuple[list[int], TowerChanges]]()
        for seed in range(4):
            teach(made, seed, uses=15)
            rows, changes = made.take(9)
            found.append((rows.tolist(), changes))
        return [*found, ([], made.take()[1])]

    assert compiled()
    ours = told()
    with numpy_only():
        theirs = told()
    for (rows, one), (others, other) in zip(ours, theirs, strict=True):
        assert rows == others
        for name in ("uses", "squares", "vectors"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_an_item_with_another_content_keeps_what_it_has_learned() -> None:
    items, kept = catalog(), state()
    made = towers(items)
    teach(made, 4)
    tell(made, kept)
    teach(made, 5)
    before, content = vectors(made), np.eye(DIM, dtype=np.float32)[3]
    old = vectors(towers(items))[7, 0]
    items.put("i7", 5 * content)
    made.follow(items)
    np.testing.assert_allclose(vectors(made)[7], before[7] + (content - old), atol=1e-6)
    assert np.delete(vectors(made), 7, 0).tobytes() == np.delete(before, 7, 0).tobytes()
    tell(made, kept)
    put(made, kept)
    new = towers(items)
    put(new, kept)
    assert vectors(new).tobytes() == vectors(made).tobytes()


def test_a_worker_that_begins_draws_from_what_others_used_and_speaks_at_once() -> None:
    items, kept = catalog(), state()
    made = towers(items)
    teach(made, 6, uses=2000)
    tell(made, kept)
    source, queries = TwoTowerSource(), asked(1, ITEMS, seed=1)
    source.towers.share()
    source.towers.follow(items)
    rows = ALL[None]
    assert np.isnan(source.scores(items, queries, rows)[NAMES[0]]).all()
    put(source.towers, kept)
    assert np.isfinite(source.scores(items, queries, rows)[NAMES[0]]).any()
    source.learn(items, queries, [{3}])
    _, changes = source.towers.take()
    assert changes.uses.sum() == 1
    assert (changes.squares > 0).any()
