"""Sound and film into samples and frames: what was put in, or an error, never anything else, whatever the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from encoders.media.film import container_of
from encoders.media.locations import MediaError
from encoders.media.recordings import RATE, Limits, Recording
from tests.encoders.media.tiny_media import COLOURS, KINDS, coloured, film, picture, tone, wav

LAWS = settings(max_examples=30)
FILMS = {name: coloured(name) for name in KINDS}
SHORT = wav(tone(0.5))


def recording(data: bytes, limits: Limits | None = None) -> Recording:
    container = container_of(data)
    assert container is not None
    return Recording(data, container, limits or Limits())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("key_frames", [3, 100])
def test_frames_lie_evenly_over_a_film(name: str, key_frames: int) -> None:
    frames = list(recording(coloured(name, key_frames, sounding=False), Limits(frames=4)).frames())
    seen = [np.asarray(frame).mean(axis=(0, 1)) for frame in frames]
    wanted = [np.asarray(Image.new("RGB", (1, 1), colour))[0, 0] for colour in COLOURS]
    assert np.abs(np.array(seen) - np.array(wanted)).max() < 40


def test_a_film_is_turned_upright() -> None:
    """As a telephone that is held upright writes it: the matrix of the track says to turn by a quarter, clockwise."""
    lying = Image.new("RGB", (64, 48), "red")
    lying.paste("blue", (0, 0, 32, 48))
    one, zero = b"\0\1\0\0", bytes(4)
    straight, turned = one + zero * 3 + one, zero + one + zero + b"\xff\xff\0\0" + zero
    before, found, after = film([lying] * 3).rpartition(straight)
    assert found
    frame = np.asarray(next(iter(recording(before + turned + after).frames()))).astype(int)
    assert frame.shape == (64, 48, 3)
    assert frame[8, 24, 2] > 200
    assert frame[56, 24, 0] > 200


@pytest.mark.parametrize("name", KINDS)
def test_the_sound_of_a_film_is_that_of_the_recording(name: str) -> None:
    heard, original = recording(FILMS[name]).sound(), tone(2) / 2**15
    assert len(heard) == pytest.approx(len(original), abs=RATE // 5)
    loudest = np.abs(np.fft.rfft(heard[:RATE])).argmax()  # of one second: its index is the pitch
    assert loudest == pytest.approx(440, abs=8)
    assert heard.std() == pytest.approx(original.std(), rel=0.15)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_sound_of_any_rate_is_resampled(rate: int) -> None:
    heard = recording(wav(tone(1, rate=rate), rate)).sound()
    assert len(heard) == pytest.approx(RATE, abs=RATE // 100)
    assert np.abs(np.fft.rfft(heard, RATE)).argmax() == pytest.approx(440, abs=2)


def test_only_the_beginning_of_a_long_recording_is_heard() -> None:
    assert len(recording(wav(tone(3)), Limits(seconds=1.5)).sound()) == 1.5 * RATE


def alien_codec() -> bytes:
    return film([picture(0, (64, 48))] * 3, "matroska", "mjpeg", pixels="yuvj420p")


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (FILMS["mp4"], Limits(pixels=64 * 48 - 1), "more than 3071 pixels"),
        (alien_codec(), Limits(), "codec 'mjpeg' is not read"),
        (SHORT, Limits(), "no picture"),
        (FILMS["mp4"][:200], Limits(), "damaged"),
        (FILMS["webm"][:200], Limits(), "damaged|no picture"),
    ],
)
def test_a_hostile_film_is_an_error_that_says_why(data: bytes, limits: Limits, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        list(recording(data, limits).frames())


@pytest.mark.parametrize("rate", [1, 3_999, 384_001, 2**30])
def test_a_rate_that_would_blow_up_is_refused(rate: int) -> None:
    with pytest.raises(MediaError, match=f"{rate} samples a second"):
        recording(wav(tone(1), rate)).sound()


@pytest.mark.parametrize("name", KINDS)
@given(ticks=st.integers(1, 20))
@settings(LAWS, max_examples=10)
def test_the_deadline_holds_wherever_it_falls(name: str, ticks: int) -> None:
    """The clock leaps after so many looks at it."""

    def clock() -> Iterator[float]:
        yield from (0.0 for _ in range(ticks))
        while True:
            yield 100.0

    ticking = clock()
    taken = Recording(
        FILMS[name], str(container_of(FILMS[name])), Limits(deadline_s=50), lambda: next(ticking)
    )
    with pytest.raises(MediaError, match="longer than 50 s"):
        list(taken.frames())


@pytest.mark.parametrize("name", [*KINDS, "wav"])
@given(data=st.data())
@LAWS
def test_broken_at_any_place_it_is_decoded_or_an_error(name: str, data: st.DataObject) -> None:
    whole = bytearray(FILMS.get(name, SHORT))
    # Most of what a container says of itself lies at its ends.
    ends = st.integers(0, 600) | st.integers(-900, -1) | st.integers(0, len(whole) - 1)
    for at in data.draw(st.lists(ends, max_size=8)):
        whole[at] ^= data.draw(st.integers(1, 255))
    broken = bytes(whole[: data.draw(st.just(len(whole)) | st.integers(1, len(whole)))])
    taken = Recording(broken, str(container_of(FILMS.get(name, SHORT))), Limits(seconds=5, pixels=10**5))
    for take in (lambda: list(taken.frames()), taken.sound):
        try:
            found = take()
        except MediaError:
            continue
        assert len(found) <= 5 * RATE


def test_ffmpeg_opens_nothing_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it is given is memory, one format and no protocol."""
    given_: list[tuple[object, dict[str, object]]] = []
    real = av.open
    monkeypatch.setattr(av, "open", lambda file, *a, **k: (given_.append((file, k)), real(file, *a, **k))[1])
    recording(SHORT).sound()
    ((file, options),) = given_
    assert not isinstance(file, str | Path)
    assert options["format"] == "wav"
    assert options["options"]["protocol_whitelist"] == "none"  # type: ignore[index]  # a dict, two lines above
