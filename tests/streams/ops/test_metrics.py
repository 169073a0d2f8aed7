"""What operators see: /metrics, /livez and /readyz, over a real socket."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest
from prometheus_client import generate_latest

from encoders.core.base import counts
from encoders.fitted.fusion import LateFusion
from encoders.media.fused import FusedEncoder
from encoders.serving.cache import CachedEncoder
from encoders.serving.pool import EncoderPool
from encoders.text.hashing import HashingEncoder
from sinks.memory import MemoryLog
from streams.ops.endpoints import Health, PortError, serve
from streams.ops.metrics import Metrics
from streams.settings.settings import Settings
from streams.state.items.layout import ItemLayout
from streams.state.items.partition import ItemPartition
from streams.wiring.worker import show
from tests.encoders.media.media import HashedPictures
from tests.streams.flows import DIM, T0, Record, make_flow, record
from tests.streams.parts import BatchEvent, make_parts, run

FORBIDDEN_LABELS = {"user", "user_id", "item", "item_id", "key", "event_id", "session_id"}


class Counting(HashingEncoder):
    """Counts tokens, as a transformer does."""

    def counts(self) -> dict[str, dict[str, int]]:
        return {"tokens": {"encoded": 7, "padding": 1, "truncated": 0, "unknown": 2}}

    def timings(self) -> dict[str, dict[str, float]]:
        return {"seconds": {"tokenize": 0.5, "forward": 2.5, "copy": 0.25}}


@pytest.fixture
def served() -> Iterator[tuple[Metrics, Health, str]]:
    metrics, health = Metrics(), Health()
    stop, port = serve(metrics, health, "127.0.0.1", 0)
    yield metrics, health, f"http://127.0.0.1:{port}"
    stop()


def get(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(metrics: Metrics) -> dict[str, float]:
    """name{labels} -> value."""
    return {
        sample.name + str(sorted(sample.labels.items())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def test_a_live_worker_is_not_ready_until_it_says_so(served: Any) -> None:
    _, health, url = served
    assert get(f"{url}/livez") == (200, "alive\n")
    assert get(f"{url}/readyz") == (503, "starting\n")
    health.set_ready(False, "recovering partitions [0, 1]")
    assert get(f"{url}/readyz") == (503, "recovering partitions [0, 1]\n")
    health.set_ready(True)
    assert get(f"{url}/readyz") == (200, "ready\n")


def test_a_worker_that_is_not_alive_says_so(served: Any) -> None:
    _, health, url = served
    health.alive, health.reason = False, "the stream crashed"
    assert get(f"{url}/livez") == (503, "the stream crashed\n")


def test_metrics_are_shown_as_text(served: Any) -> None:
    metrics, _, url = served
    metrics.events.labels("applied").inc(3)
    status, text = get(f"{url}/metrics")
    assert status == 200
    assert 'interestflow_events_total{outcome="applied"} 3.0' in text


def test_another_path_is_not_found(served: Any) -> None:
    assert get(f"{served[2]}/table")[0] == 404


def test_a_server_that_was_stopped_answers_no_more() -> None:
    stop, port = serve(Metrics(), Health(), "127.0.0.1", 0)
    stop()
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{port}/livez", timeout=5)


def test_outcomes_are_booked_by_name() -> None:
    metrics = Metrics()
    metrics.book({"applied": 2, "rejected.not_json": 3, "waiting": 5, "late": 0})
    metrics.book({"waiting": -5})
    found = samples(metrics)
    assert found["interestflow_events_total[('outcome', 'applied')]"] == 2
    assert found["interestflow_rejected_total[('reason', 'not_json'), ('stage', 'update')]"] == 3
    assert not any("waiting'" in name or "'late'" in name for name in found)


def test_a_stage_is_timed_and_its_failures_are_counted() -> None:
    metrics = Metrics()
    with metrics.observe("fold"):
        pass
    with pytest.raises(ZeroDivisionError), metrics.observe("fold"):
        raise ZeroDivisionError
    found = samples(metrics)
    assert found["interestflow_stage_seconds_count[('stage', 'fold')]"] == 2
    assert found["interestflow_stage_errors_total[('stage', 'fold')]"] == 1


def test_looks_that_find_nothing_to_do_are_not_timed() -> None:
    metrics = Metrics()
    for worked in (True, False):
        with metrics.observe("recommend") as observed:
            observed.worked = worked
    assert samples(metrics)["interestflow_stage_seconds_count[('stage', 'recommend')]"] == 1


def test_what_the_encoder_counts_is_shown_as_it_is_now() -> None:
    metrics, encoder = Metrics(), CachedEncoder(Counting(DIM), 10)
    metrics.watch(encoder)
    encoder.encode(["a", "b", "a"])
    found = samples(metrics)
    assert found["interestflow_encoder_cache_total[('kind', 'hit')]"] == 1
    assert found["interestflow_encoder_cache_total[('kind', 'miss')]"] == 2
    assert found["interestflow_encoder_tokens_total[('kind', 'unknown')]"] == 2
    assert found["interestflow_encoder_seconds_total[('kind', 'forward')]"] == 2.5
    encoder.encode(["a"])
    assert samples(metrics)["interestflow_encoder_cache_total[('kind', 'hit')]"] == 2


def test_the_queue_before_the_encoder_is_shown() -> None:
    metrics, pool = Metrics(), EncoderPool(Counting(DIM))
    metrics.watch(CachedEncoder(pool, 10))
    pool.encode(["a", "b"])
    pool.close()
    found = samples(metrics)
    assert found["interestflow_encoder_queued_texts[]"] == 0
    assert found["interestflow_encoder_queue_total[('kind', 'texts')]"] == 2
    assert found["interestflow_encoder_queue_total[('kind', 'pushed_back')]"] == 0
    assert found["interestflow_encoder_queue_seconds_total[('kind', 'busy')]"] > 0


def test_an_encoder_that_counts_nothing_shows_nothing() -> None:
    assert counts(HashingEncoder(DIM)) == {}


def test_a_port_that_is_taken_is_told_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortError, match="METRICS_PORT"):
        serve(Metrics(), Health(), "127.0.0.1", taken.getsockname()[1])


# --- a worker sets them ---------------------------------------------------------------------------------------


def run_update(records: list[Record]) -> tuple[dict[str, float], MemoryLog]:
    """One batch through the update stage, to its acknowledgement."""
    metrics, sink, encoder = Metrics(), MemoryLog(), CachedEncoder(Counting(DIM), 10)

    async def main() -> None:
        settings = Settings()
        parts = make_parts(settings, make_flow(), encoder, _raise, sink=sink, metrics=metrics)
        show(settings, parts, metrics)
        assert (await asyncio.wait_for(run(parts, parts.update, BatchEvent(records)), 5)).acked
        parts.runner.close()

    asyncio.run(main())
    return samples(metrics), sink


def _raise(error: BaseException) -> None:
    raise error


def test_a_batch_sets_lags_outcomes_and_cache_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: T0 / 1000 + 60)
    texts = [record(n, item=None, action="search", text="hat", timestamp=T0 + 9000 * n) for n in range(2)]
    for one in texts:
        one.timestamp = T0 + 20_000
    found, _ = run_update(texts)
    assert found["interestflow_event_time_lag_seconds_sum[]"] == 51
    assert found["interestflow_event_time_lag_seconds_count[]"] == 1
    assert found["interestflow_end_to_end_seconds_sum[]"] == 40
    assert found["interestflow_events_total[('outcome', 'applied')]"] == 2
    assert found["interestflow_encoder_cache_total[('kind', 'miss')]"] == 1
    assert found["interestflow_encoder_cache_total[('kind', 'hit')]"] == 1


def test_a_batch_without_a_single_event_has_no_lag() -> None:
    found, sink = run_update([Record(b"{", 0)])
    assert found["interestflow_event_time_lag_seconds_count[]"] == 0
    assert found["interestflow_rejected_total[('reason', 'not_json'), ('stage', 'update')]"] == 1
    assert len(sink.records["behavior.rejected.v1"]) == 1


def test_media_that_could_not_be_read_are_counted_by_reason() -> None:
    metrics, sink = Metrics(), MemoryLog()
    encoder = FusedEncoder(
        HashingEncoder(8), lambda widths: LateFusion(widths, dict.fromkeys(widths, 1.0)), HashedPictures(8)
    )
    items = [{"item_id": f"i{n}", "title": "hat" * n, "media": ["broken.jpg", "a.jpg"[n:]]} for n in range(3)]
    items.append({"item_id": "alone", "media": ["broken.jpg"]})

    async def main() -> None:
        settings = Settings(dimensions=16)
        parts = make_parts(settings, make_flow(), encoder, _raise, sink=sink, metrics=metrics)
        records = [Record(orjson.dumps(item), n) for n, item in enumerate(items)]
        event = BatchEvent(records, "catalog.items.v1")
        assert (await asyncio.wait_for(run(parts, parts.catalog, event), 5)).acked
        parts.runner.close()

    asyncio.run(main())
    found = samples(metrics)
    assert (
        found["interestflow_media_failed_total[('medium', 'picture'), ('reason', 'FileNotFoundError')]"] == 4
    )
    assert found["interestflow_rejected_total[('reason', 'media_unreadable'), ('stage', 'catalog')]"] == 1
    assert len(sink.records["catalog.embeddings.v1"]) == 3
    assert len(sink.records["behavior.rejected.v1"]) == 1


def test_no_label_is_a_user_or_an_item() -> None:
    found, _ = run_update(
        [record(0, user="somebody", item="i0"), record(1, user="somebody", item="something")]
    )
    labels = {name for key in found for name in re.findall(r"\('(\w+)', '", key)}
    assert labels
    assert not labels & FORBIDDEN_LABELS
    assert not [key for key in found if "somebody" in key or "something" in key or "'i0'" in key]


def test_forgiven_fields_and_unknown_actions_are_shown_as_they_are_now() -> None:
    metrics, forgiven, unknown = Metrics(), {("value", "empty"): 2}, {"wave": 3}
    metrics.watch_counts({"clicks": forgiven}, unknown)
    unknown["wave"] += 1
    shown = generate_latest(metrics.registry).decode()
    assert 'interestflow_forgiven_total{field="value",kind="empty",topic="clicks"} 2.0' in shown
    assert 'interestflow_unknown_actions_total{action="wave"} 4.0' in shown


def test_the_exposure_of_groups_is_shown_as_it_is_now() -> None:
    metrics, shares = Metrics(), {"cold": 0.1, "categories:Drama": 0.25}
    metrics.watch_exposure(lambda: shares)
    shares["cold"] = 0.125
    shown = generate_latest(metrics.registry).decode()
    assert 'interestflow_exposure_share{group="cold"} 0.125' in shown
    assert 'interestflow_exposure_share{group="categories:Drama"} 0.25' in shown


def test_how_much_is_kept_of_items_is_shown_as_it_is_now() -> None:
    metrics, part, layout = Metrics(), ItemPartition(3, ItemLayout()), ItemLayout()
    metrics.watch_items({3: part})
    part.rows(["a", "b"])
    shown = generate_latest(metrics.registry).decode()
    assert 'interestflow_item_states{partition="3"} 2.0' in shown
    assert f'interestflow_item_states_bytes{{partition="3"}} {2 * layout.size:.1f}' in shown
