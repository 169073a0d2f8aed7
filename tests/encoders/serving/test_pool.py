"""The pool: joined and shared out, pushed back, failing and closing, with an encoder that waits for the test."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.core.base import EncoderError, Vectors, counts, timings
from encoders.serving.fair_queue import FairQueue, Request, estimated_tokens
from encoders.serving.pool import BackpressureError, EncoderPool, PoolClosedError
from encoders.text.hashing import HashingEncoder
from encoders.text.transformer import TransformerEncoder
from tests.encoders.tiny import make_bert

DIM = 8
PATIENCE_S = 30.0  # only a test that fails waits so long
PLAIN = HashingEncoder(DIM)


class Gated:
    """A hashing encoder that begins a call only once it is let in, where it is gated, and fails for `poison`."""

    id, revision, dim = "gated", "1", DIM

    def __init__(self, gated: bool = True) -> None:
        self.gate, self.entered = threading.Semaphore(0), threading.Semaphore(0)
        self.gated, self.calls = gated, list[list[str]]()

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(list(texts))
        self.entered.release()
        if self.gated:
            assert self.gate.acquire(timeout=PATIENCE_S)
        if "poison" in texts:
            raise ValueError("not this text")
        return PLAIN.encode(texts)

    def open(self) -> None:
        """Let everyone in from now on."""
        self.gated = False
        self.gate.release(1000)

    def await_call(self) -> None:
        """Until one more call has begun."""
        assert self.entered.acquire(timeout=PATIENCE_S)


@pytest.fixture
def make() -> Iterator[Callable[..., EncoderPool]]:
    """Makes pools, and ends their threads."""
    pools: list[EncoderPool] = []

    def build(inner: Any, **options: Any) -> EncoderPool:
        pools.append(EncoderPool(inner, **options))
        return pools[-1]

    yield build
    for pool in pools:
        if isinstance(pool.inner, Gated):
            pool.inner.open()
        pool.close()
        assert not any(thread.is_alive() for thread in pool._threads)


def result(future: Future[Vectors]) -> Vectors:
    return future.result(PATIENCE_S)


# --- vectors ---------------------------------------------------------------------------------------------


@given(
    requests=st.lists(st.lists(st.text(max_size=40), max_size=30), min_size=1, max_size=6),
    workers=st.integers(1, 4),
    budget=st.integers(1, 200),
)
@settings(max_examples=15)
def test_each_request_gets_its_own_vectors_in_order(
    requests: list[list[str]], workers: int, budget: int
) -> None:
    pool = EncoderPool(PLAIN, workers=workers, batch_tokens=budget)
    futures = [pool.submit(texts) for texts in requests]
    for texts, future in zip(requests, futures, strict=True):
        assert np.array_equal(result(future), PLAIN.encode(texts))
    pool.close()
    assert (pool.queued, pool._queue.tokens, pool._open) == (0, 0, set())
    assert pool.stats.texts == sum(map(len, requests))


# --- how batches are made --------------------------------------------------------------------------------


def test_an_idle_worker_takes_a_request_at_once_and_what_comes_meanwhile_is_joined(make: Any) -> None:
    inner = Gated()
    pool = make(inner)
    futures = [pool.submit(["first"])]
    inner.await_call()
    futures += [pool.submit([f"a{n}", f"b{n}"]) for n in range(3)]
    assert pool.queued == 6
    inner.open()
    assert all(len(result(future)) for future in futures)
    assert inner.calls == [["first"], ["a0", "b0", "a1", "b1", "a2", "b2"]]
    assert counts(pool)["queue"] == {
        "requests": 4,
        "pushed_back": 0,
        "batches": 2,
        "texts": 7,
        "joined": 1,
        "again": 0,
    }


def test_a_joint_batch_stays_within_the_budget(make: Any) -> None:
    inner = Gated()
    pool = make(inner, batch_tokens=10)
    futures = [pool.submit([f"t{n}"]) for n in range(12)]
    inner.open()
    for future in futures:
        result(future)
    assert all(sum(estimated_tokens(t, 256) for t in call) <= 10 for call in inner.calls)
    assert max(map(len, inner.calls)) == 5


def test_a_short_request_overtakes_a_long_one(make: Any) -> None:
    inner = Gated()
    pool = make(inner, batch_tokens=40)
    long = pool.submit([f"item {n}" for n in range(400)])
    inner.await_call()
    short = pool.submit(["urgent"])
    inner.gate.release(2)
    assert np.array_equal(result(short), PLAIN.encode(["urgent"]))
    assert "urgent" in inner.calls[1]
    assert not long.done()
    inner.open()
    assert np.array_equal(result(long), PLAIN.encode([f"item {n}" for n in range(400)]))


def test_a_request_that_is_alone_is_shared_out_among_the_workers(make: Any) -> None:
    inner = Gated()
    pool = make(inner, workers=2)
    while pool._idle < 2:
        time.sleep(0.001)
    future = pool.submit([f"item number {n}" for n in range(200)])
    inner.await_call()
    inner.await_call()
    inner.open()
    assert min(map(len, inner.calls)) >= 90
    assert np.array_equal(result(future), PLAIN.encode([f"item number {n}" for n in range(200)]))


def test_the_first_text_waits_for_others_where_it_may(make: Any) -> None:
    inner = Gated(gated=False)
    pool = make(inner, batch_tokens=10, linger_s=PATIENCE_S)
    futures = [pool.submit([f"t{n}"]) for n in range(5)]
    for future in futures:
        result(future)
    assert list(map(len, inner.calls)) == [5]


def test_no_text_waits_for_others_for_longer_than_it_may(make: Any) -> None:
    pool = make(Gated(gated=False), linger_s=0.001)
    assert pool.encode(["alone"]).shape == (1, DIM)


def test_the_seconds_in_the_queue_are_counted(make: Any) -> None:
    inner, now = Gated(), [100.0]
    pool = make(inner, clock=lambda: now[0])
    first = pool.submit(["first"])
    inner.await_call()
    second = pool.submit(["second"])
    now[0] += 7.0
    inner.open()
    result(first), result(second)
    pool.close()
    assert timings(pool)["queue_seconds"] == {"waited": 7.0, "busy": 7.0}


# --- a full queue ----------------------------------------------------------------------------------------


def test_a_full_queue_pushes_back_with_the_seconds_that_it_takes(make: Any) -> None:
    inner, now = Gated(), [0.0]
    pool = make(inner, queue_texts=2, clock=lambda: now[0])
    first = pool.submit(["aa"])  # two tokens, in four seconds
    inner.await_call()
    now[0] += 4.0
    inner.gate.release()
    result(first)
    futures = [pool.submit(["bb"])]
    inner.await_call()
    futures += [pool.submit(["cc"]), pool.submit(["dd"])]
    with pytest.raises(BackpressureError) as raised:
        pool.submit(["ee"])
    assert raised.value.retry_after == pytest.approx(8.0)
    assert (pool.queued, pool.stats.pushed_back) == (2, 1)
    inner.open()
    for future in futures:
        result(future)
    assert result(pool.submit(["ee"])).shape == (1, DIM)


def test_who_calls_from_a_thread_waits_for_room(make: Any) -> None:
    inner = Gated()
    pool = make(inner, queue_texts=1)
    with ThreadPoolExecutor(8) as callers:
        waiting = [callers.submit(pool.encode, [f"text {n}", f"other {n}"]) for n in range(8)]
        inner.await_call()
        assert pool.queued <= 2
        inner.open()
        for n, future in enumerate(waiting):
            assert np.array_equal(result(future), PLAIN.encode([f"text {n}", f"other {n}"]))
    assert pool.stats.pushed_back == 0


# --- failures --------------------------------------------------------------------------------------------


def test_a_request_that_fails_takes_no_neighbour(make: Any) -> None:
    inner = Gated()
    pool = make(inner)
    futures = [pool.submit(["first"])]
    inner.await_call()
    futures += [pool.submit([text, "more"]) for text in ("red", "poison", "blue")]
    inner.open()
    assert np.array_equal(result(futures[1]), PLAIN.encode(["red", "more"]))
    assert np.array_equal(result(futures[3]), PLAIN.encode(["blue", "more"]))
    with pytest.raises(ValueError, match="not this text"):
        result(futures[2])
    assert pool.stats.again == 1
    assert pool.encode(["after"]).shape == (1, DIM)


def test_what_is_left_of_a_request_that_failed_is_not_computed(make: Any) -> None:
    inner = Gated()
    pool = make(inner, batch_tokens=16)
    future = pool.submit(["poison", *(f"t{n}" for n in range(100))])
    inner.open()
    with pytest.raises(ValueError, match="not this text"):
        result(future)
    assert pool.encode(["after"]).shape == (1, DIM)
    assert len(inner.calls) == 2
    assert pool.queued == 0


def test_an_error_of_any_kind_reaches_its_caller_and_the_worker_lives_on(make: Any) -> None:
    class Broken(Gated):
        def encode(self, texts: Sequence[str]) -> Vectors:
            if "full" in texts:
                raise MemoryError
            return PLAIN.encode(texts)[:, : 3 if "narrow" in texts else DIM]

    pool = make(Broken())
    with pytest.raises(MemoryError):
        pool.encode(["full"])
    with pytest.raises(EncoderError, match="of 8 dimensions"):
        pool.encode(["narrow"])
    assert pool.encode(["well"]).shape == (1, DIM)


def test_who_cancels_in_time_is_not_encoded(make: Any) -> None:
    inner = Gated()
    pool = make(inner)
    first = pool.submit(["first"])
    inner.await_call()
    unwanted, wanted = pool.submit(["unwanted"]), pool.submit(["wanted"])
    assert unwanted.cancel()
    inner.open()
    assert len(result(first)) == len(result(wanted)) == 1
    assert inner.calls == [["first"], ["wanted"]]
    with pytest.raises(CancelledError):
        unwanted.result(0)
    assert pool.queued == 0


# --- the end ---------------------------------------------------------------------------------------------


def test_closing_finishes_what_was_submitted_and_takes_no_more(make: Any) -> None:
    inner = Gated()
    pool = make(inner, batch_tokens=16)
    future = pool.submit([f"t{n}" for n in range(50)])
    inner.open()
    pool.close(PATIENCE_S)
    assert np.array_equal(future.result(0), PLAIN.encode([f"t{n}" for n in range(50)]))
    for call in (pool.submit, pool.encode):
        with pytest.raises(PoolClosedError):
            call(["late"])


def test_at_the_deadline_whoever_waits_is_told(make: Any) -> None:
    inner = Gated()
    pool = make(inner, queue_texts=1)
    futures = [pool.submit(["under way"])]
    inner.await_call()
    futures.append(pool.submit(["in line"]))
    with ThreadPoolExecutor(1) as caller:
        outside = caller.submit(pool.encode, ["waits for room"])
        pool.close(0.0)
        for future in [*futures, outside]:
            with pytest.raises(PoolClosedError, match="ask another"):
                result(future)
    pool.close(0.0)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="needs a worker"):
        EncoderPool(PLAIN, workers=0)


# --- the line --------------------------------------------------------------------------------------------


@given(
    sizes=st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=20), min_size=1, max_size=5),
    budget=st.integers(1, 60),
    grain=st.integers(1, 30),
)
def test_the_line_gives_every_text_once_in_turns_and_within_the_budget(
    sizes: list[list[int]], budget: int, grain: int
) -> None:
    queue = FairQueue()
    requests = [Request(["x"] * len(tokens), tokens, grain, DIM, 0.0) for tokens in sizes]
    for request in requests:
        queue.add(request)
    taken = []
    while batch := queue.take(budget, 0.0):
        assert len(batch) == 1 or sum(piece.tokens for piece in batch) <= budget
        taken += batch
    assert (queue.texts, queue.tokens, queue.oldest) == (0, 0, None)
    for request, tokens in zip(requests, sizes, strict=True):
        flat = [index for piece in taken if piece.request is request for index in piece.indices]
        assert sorted(flat) == list(range(len(tokens)))
    # Before anyone's second piece comes everyone's first.
    assert {id(piece.request) for piece in taken[: len(requests)]} == set(map(id, requests))


@given(text=st.text(st.characters(), max_size=200))
def test_an_estimate_is_at_least_the_two_special_tokens(text: str) -> None:
    assert 2 <= estimated_tokens(text, 50) <= 50


# --- real models -----------------------------------------------------------------------------------------


TEXTS = [
    "the red mug",
    "shoes",
    "",
    "mug " * 30,
    "red shoes 42",
    "x" * 70,
    "a b c d e f g",
    "the the the",
] * 4


class Watched(TransformerEncoder):
    """Tells what torch does in the threads that encode."""

    seen: set[tuple[str, int]]

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen.add((threading.current_thread().name, torch.get_num_threads()))
        return super().encode(texts)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """A tiny transformer of one torch thread."""
    encoder = Watched(
        str(make_bert(tmp_path_factory.mktemp("bert"))), device="cpu", threads=1, token_budget=96
    )
    encoder.seen = set()
    return encoder


@given(
    order=st.permutations(range(len(TEXTS))), workers=st.integers(1, 3), budget=st.sampled_from([16, 96, 500])
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_has_one_vector_alone_in_any_order_and_on_any_number_of_workers(
    watched: Watched, order: list[int], workers: int, budget: int
) -> None:
    alone = np.concatenate([TransformerEncoder.encode(watched, [text]) for text in TEXTS[:8]] * 4)
    pool = EncoderPool(watched, workers=workers, batch_tokens=budget)
    requests = [order[:1], order[1:11], order[11:]]
    futures = [pool.submit([TEXTS[at] for at in request]) for request in requests]
    for request, future in zip(requests, futures, strict=True):
        assert result(future) == pytest.approx(alone[request], abs=1e-6)
    pool.close()


def test_workers_share_model_and_tokenizer_and_have_one_torch_thread_each(
    watched: Watched, make: Any
) -> None:
    """Many small calls at once, with threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    watched.seen.clear()
    try:
        pool = make(watched, workers=4, batch_tokens=8)
        with ThreadPoolExecutor(4) as callers:
            found = list(callers.map(pool.encode, [TEXTS] * 8))
    finally:
        sys.setswitchinterval(interval)
    assert all(vectors == pytest.approx(found[0], abs=1e-6) for vectors in found)
    assert {torch_threads for _, torch_threads in watched.seen} == {1}
    assert len(watched.seen) > 1
