"""The cache: the same bits as without it, from memory, from disk and from several threads; and what it forgets."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.core.base import EncoderError, Vectors, counts
from encoders.serving.cache import CachedEncoder
from encoders.serving.cache_store import VectorStore
from encoders.text.hashing import HashingEncoder
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import build_encoder

DIM = 16
BOUND = 1 << 26
TEXTS = [f"text {n}" for n in range(12)] + ["", "\ud800", "?"]


class Watched:
    """A hashing encoder that remembers what it was asked, and may do something first."""

    id, dim = "watched", DIM

    def __init__(self, revision: str = "1", first: Callable[[], object] = lambda: None) -> None:
        self.revision, self.first = revision, first
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        self.first()
        return HashingEncoder(DIM).encode(texts)


def plain(texts: Sequence[str]) -> bytes:
    return HashingEncoder(DIM).encode(texts).tobytes()


# --- memory -------------------------------------------------------------------------------------------------------


@given(batches=st.lists(st.lists(st.sampled_from(TEXTS), max_size=8), max_size=20), room=st.integers(1, 9))
@settings(max_examples=80)
def test_whatever_is_asked_the_bits_are_those_without_a_cache(batches: list[list[str]], room: int) -> None:
    inner = Watched()
    cached = CachedEncoder(inner, room)
    for batch in batches:
        before = len(inner.asked)
        assert cached.encode(batch).tobytes() == plain(batch)
        assert len(cached) <= room
        asked = inner.asked[before:]
        assert len(set(asked)) == len(asked)  # a text twice in a batch is encoded once
    kinds = cached.counts()["cache"]
    assert kinds["hit"] + kinds["miss"] == sum(map(len, batches))
    assert kinds["miss"] == len(inner.asked)
    assert kinds["miss"] - kinds["evicted"] == len(cached)


@pytest.mark.parametrize("together", [True, False])
def test_texts_that_are_asked_for_again_stay_and_those_asked_once_go(together: bool) -> None:
    inner = Watched()
    cached = CachedEncoder(inner, 10)
    for n in range(100):
        known, new = ["red mug", "blue mug"], [f"only once {n}"]
        for batch in [known + new] if together else [known, new]:
            cached.encode(batch)
    assert len(inner.asked) == 102


def test_all_marked_rows_get_a_second_round_and_one_goes() -> None:
    inner = Watched()
    cached = CachedEncoder(inner, 3)
    for _ in range(2):
        cached.encode(["a", "b", "c"])
    cached.encode(["d"])
    assert len(cached) == 3
    cached.encode(["b", "c", "d"])
    assert inner.asked == ["a", "b", "c", "d"]


def test_what_is_no_number_is_asked_again() -> None:
    class Odd(Watched):
        def encode(self, texts: Sequence[str]) -> Vectors:
            vectors = super().encode(texts)
            vectors[["odd" in text for text in texts]] = np.nan
            return vectors

    inner = Odd()
    cached = CachedEncoder(inner, 5)
    for _ in range(2):
        assert np.isnan(cached.encode(["odd", "good"])[0]).all()
    assert inner.asked == ["odd", "good", "odd"]


def test_a_cache_that_memory_cannot_hold_says_which_setting_to_lower() -> None:
    with pytest.raises(EncoderError, match="CACHE_ITEMS"):
        CachedEncoder(HashingEncoder(4096), 1 << 46)


# --- threads ------------------------------------------------------------------------------------------------------


def test_threads_that_ask_at_once_all_get_the_right_vectors() -> None:
    cached = CachedEncoder(Watched(), 50)

    def work(seed: int) -> bool:
        rng = Random(seed)
        batches = [[f"text {rng.randrange(100)}" for _ in range(20)] for _ in range(100)]
        return all(cached.encode(batch).tobytes() == plain(batch) for batch in batches)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    kinds = cached.counts()["cache"]
    assert kinds["hit"] + kinds["miss"] == 4 * 100 * 20
    assert len(cached) == 50


def test_two_threads_that_miss_the_same_text_at_once_are_both_right() -> None:
    both = threading.Barrier(2, timeout=10)
    inner = Watched(first=both.wait)
    cached = CachedEncoder(inner, 5)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(cached.encode, [["mug", "hat"], ["mug", "shoe"]]))
    assert [result.tobytes() for result in results] == [plain(["mug", "hat"]), plain(["mug", "shoe"])]
    assert len(cached) == 3


def test_a_hit_does_not_wait_for_what_another_thread_encodes() -> None:
    busy, go_on = threading.Event(), threading.Event()
    inner = Watched()
    cached = CachedEncoder(inner, 5)
    cached.encode(["known"])
    inner.first = lambda: (busy.set(), go_on.wait(10))
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(cached.encode, ["new"])
        assert busy.wait(10)
        try:
            hit = pool.submit(cached.encode, ["known"]).result(10)
            assert not slow.done()
        finally:
            go_on.set()
        assert hit.tobytes() == plain(["known"])
        assert slow.result(10).tobytes() == plain(["new"])


# --- disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache"


def stored(folder: Path, texts: Sequence[str], **options: Any) -> tuple[Watched, dict[str, int]]:
    """Encode with a new memory over the folder; what was asked of the encoder, and the counts."""
    store = VectorStore(folder, DIM, BOUND)
    inner = Watched(**options)
    cached = CachedEncoder(inner, 100, store)
    assert cached.encode(texts).tobytes() == plain(texts)
    store.close()
    return inner, cached.counts()["cache"]


def test_what_is_on_disk_survives_the_process_bit_for_bit(folder: Path) -> None:
    stored(folder, ["a", "b"])
    inner, kinds = stored(folder, ["b", "c", "b", "a"])
    assert inner.asked == ["c"]
    assert kinds == {"hit": 1, "disk": 2, "miss": 1, "evicted": 0, "disk_failed": 0}


def test_what_a_killed_process_kept_is_there(folder: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tests.encoders.serving.test_cache import *;"
        "CachedEncoder(Watched(), 9, VectorStore(Path(sys.argv[1]), DIM, BOUND)).encode(['a', 'b']); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 9
    inner, _ = stored(folder, ["a", "b"])
    assert inner.asked == []


@pytest.mark.parametrize("revision", ["2", "1 "])
def test_another_space_finds_nothing(folder: Path, revision: str) -> None:
    stored(folder, ["a"])
    assert stored(folder, ["a"], revision=revision)[0].asked == ["a"]


def test_spaces_with_long_names_that_begin_alike_are_apart(folder: Path) -> None:
    """A local folder's path may be longer than what a hash takes as its key."""
    stored(folder, ["a"], revision="x" * 200 + "1")
    assert stored(folder, ["a"], revision="x" * 200 + "2")[0].asked == ["a"]


def test_the_files_keep_to_their_bound_and_the_newest_stay(folder: Path) -> None:
    bound, rows = 1 << 22, 20
    store = VectorStore(folder, 1024, bound)
    keys = [n.to_bytes(16, "big") for n in range(200 * rows)]
    vector = np.ones(1024, dtype=np.float32)

    def size() -> int:
        # A file may go between its listing and the look at it.
        return sum(path.stat().st_size for path in folder.glob("*.sst") if path.exists())

    for at in range(0, len(keys), rows):
        store.put(dict.fromkeys(keys[at : at + rows], vector))
    deadline = time.monotonic() + 20
    while size() > bound and time.monotonic() < deadline:  # files go in the background
        time.sleep(0.02)
    assert bound // 2 < size() <= bound
    assert all(found is not None for found in store.get(keys[-rows:]))
    assert sum(found is None for found in store.get(keys)) > len(keys) // 2
    store.close()


def test_a_folder_that_is_in_use_is_left_aside_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = VectorStore(folder, DIM, BOUND)
    with caplog.at_level(logging.WARNING):
        _, kinds = stored(folder, ["a", "b"])
    assert "One process may use a folder at a time" in caplog.text
    assert (kinds["miss"], kinds["disk_failed"]) == (2, 4)  # neither looked up nor kept
    assert holder.counts() == {"disk_failed": 0}
    holder.close()


def spoil(folder: Path, kind: str) -> None:
    if kind == "not a folder":
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("")
    elif kind == "manifest":
        (folder / "CURRENT").write_bytes(b"nonsense\n")
    else:
        (data,) = folder.glob("*.sst")
        damaged = bytearray(data.read_bytes())
        for at in range(200):
            damaged[at] ^= 0x5A
        data.write_bytes(damaged)


@pytest.mark.parametrize("kind", ["manifest", "data", "not a folder"])
def test_a_damaged_folder_is_told_and_every_text_is_right_all_the_same(
    folder: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored(folder, ["a", "b"])
    VectorStore(folder, DIM, BOUND).close()  # begins a new log, so that the first one's records are in a file
    spoil(folder, kind)
    with caplog.at_level(logging.WARNING):
        inner, kinds = stored(folder, ["a", "b"])
    assert inner.asked == ["a", "b"]
    assert kinds["disk_failed"] == 4
    assert [record.message.count(str(folder)) > 0 for record in caplog.records] == [True]
    assert "remove it" in caplog.text


def test_vectors_of_another_length_are_never_served(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = VectorStore(folder, 2, BOUND)
    store.put({b"k" * 16: np.ones(2, dtype=np.float32)})
    store.close()
    store = VectorStore(folder, 3, BOUND)
    assert store.get([b"k" * 16]) == [None]
    assert "8 bytes, not 12" in caplog.text
    store.close()


def test_the_settings_pick_the_store(folder: Path) -> None:
    for kinds in ({"miss": 2, "disk": 0}, {"miss": 0, "disk": 2}):
        encoder = build_encoder(Settings(encoder="hashing", encoder_cache_dir=folder))
        encoder.encode(["a", "b"])
        assert counts(encoder)["cache"].items() >= kinds.items()
        encoder.store.close()


def test_a_store_without_a_cache_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="CACHE_ITEMS"):
        build_encoder(Settings(encoder="hashing", encoder_cache_dir=folder, encoder_cache_items=0))
