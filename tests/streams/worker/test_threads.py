"""The threads that call the encoder: nobody waits behind another, and a failing encoder is waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from encoders.serving.cache import CachedEncoder
from encoders.serving.pool import EncoderPool, PoolClosedError
from encoders.text.hashing import HashingEncoder
from streams.flow.encoding import encode_isolating
from streams.ops.backoff import Backoff, StoppedError
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import build_encoder
from streams.worker.threads import EncoderThreads
from tests.encoders.tiny import make_bert
from tests.streams.flows import DIM

PLAIN = HashingEncoder(DIM)


class Slow:
    """A hashing encoder that waits for the test where a text says `slow`, fails for `poison`, and for all when down."""

    id, revision, dim = "slow", "1", DIM

    def __init__(self) -> None:
        self.gate, self.down = threading.Event(), False

    def encode(self, texts: Sequence[str]) -> Any:
        if "slow" in texts:
            assert self.gate.wait(30)
        if self.down or "poison" in texts:
            raise ValueError("not this text")
        return PLAIN.encode(texts)


def threads(encoder: Any, wait: Any = None) -> EncoderThreads:
    metrics = Metrics()
    return EncoderThreads(encoder, metrics, Backoff(metrics, Health(), 60.0, wait=wait))


async def test_poison_of_one_caller_reaches_no_other_and_is_isolated() -> None:
    slow = Slow()
    pool = EncoderPool(slow)
    asking = threads(pool)
    tasks = []
    for texts, waiting in ((["slow"], 0), (["red", "poison", "hat"], 3), (["blue"], 4)):
        tasks.append(asyncio.create_task(asking.run(encode_isolating, pool, texts, "stage")))
        while not pool.stats.batches or pool.queued < waiting:
            await asyncio.sleep(0.001)
    slow.gate.set()
    found = await asyncio.gather(*tasks)
    assert [list(refused) for _, refused in found] == [[], [1], []]
    assert found[1][0].tobytes() == PLAIN.encode(["red", "hat"]).tobytes()
    assert found[2][0].tobytes() == PLAIN.encode(["blue"]).tobytes()
    assert pool.stats.again >= 1
    asking.close()


async def test_an_encoder_that_fails_for_all_is_waited_for_by_each() -> None:
    slow = Slow()
    slow.down = True
    # Well again once each of the three waits: none is between a text that failed and one that is known to be good.
    all_wait = threading.Barrier(3, action=lambda: setattr(slow, "down", False), timeout=30)

    def wait(seconds: float) -> bool:
        all_wait.wait()
        return False

    pool = EncoderPool(slow)
    asking = threads(pool, wait)
    calls = [asking.run(encode_isolating, pool, [f"text {n}"], "stage") for n in range(3)]
    for n, (vectors, refused) in enumerate(await asyncio.gather(*calls)):
        assert (vectors.tobytes(), refused) == (PLAIN.encode([f"text {n}"]).tobytes(), {})
    assert not slow.down
    asking.close()


async def test_closing_with_work_outstanding_ends() -> None:
    """The worker has stopped the backoff before: what is not encoded by the pool's deadline ends as stopped."""
    slow = Slow()
    pool = EncoderPool(slow)
    asking = threads(CachedEncoder(pool), wait=lambda _: True)
    task = asyncio.create_task(asking.run(encode_isolating, pool, ["slow"], "stage"))
    while not pool.stats.batches:
        await asyncio.sleep(0.001)
    pool.close(0.0)
    with pytest.raises(StoppedError, match="closed"):
        await task
    slow.gate.set()
    asking.close()
    with pytest.raises(PoolClosedError):
        pool.encode(["late"])


def test_the_settings_say_how_many_workers(tmp_path: Any) -> None:
    settings = Settings(
        encoder=str(make_bert(tmp_path)), dimensions=32, encoder_workers=2, encoder_cache_items=0
    )
    pool = build_encoder(settings)
    assert isinstance(pool, EncoderPool)
    assert (pool.workers, pool.batch_tokens) == (2, pool.inner.token_budget)  # type: ignore[attr-defined]
    assert pool.encode(["the mug"]).shape == (1, 32)
    pool.close()


def test_a_gpu_has_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu(HashingEncoder):
        device = "cuda"

    monkeypatch.setattr("streams.wiring.encoder.build_raw_encoder", lambda options: OnGpu(options.dimensions))
    with pytest.raises(SettingsError, match="ENCODER_WORKERS=1"):
        build_encoder(Settings(encoder="big", dimensions=DIM, encoder_workers=2))


def test_hashing_needs_no_workers() -> None:
    assert isinstance(build_encoder(Settings(encoder="hashing", encoder_cache_items=0)), HashingEncoder)
