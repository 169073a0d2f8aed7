"""Sound and film: the same text and vector however they come, and an error, never anything else, for what is none."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from encoders.base import EncoderError
from encoders.image import ImageEncoder
from encoders.media import FilmEncoder, SpeechTranscriber, container_of, windows
from encoders.recordings import RATE, Limits, Recording
from encoders.sources import MediaError, Sources
from tests.encoders.tiny_media import as_bytes, film, make_clip, make_whisper, picture, tone, wav

LAWS = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
COLOURS = ("red", "lime", "blue", "white")
KINDS = {
    "mp4": ("mp4", "libx264", "aac"),
    "webm": ("webm", "libvpx-vp9", "libopus"),
    "mkv": ("matroska", "mpeg4", "pcm_s16le"),
}


def coloured(name: str, key_frames: int = 12, sounding: bool = True) -> bytes:
    """Two seconds: four colours of half a second each."""
    container, codec, sound_codec = KINDS[name]
    images = [Image.new("RGB", (64, 48), colour) for colour in COLOURS for _ in range(5)]
    return film(images, container, codec, tone(2) if sounding else None, sound_codec, key_frames)


FILMS = {name: coloured(name) for name in KINDS}
SHORT = wav(tone(0.5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("media")
    (made / "film.mp4").write_bytes(FILMS["mp4"])
    (made / "tone.wav").write_bytes(wav(tone(3)))
    return made


@pytest.fixture(scope="module")
def films(folder: Path) -> FilmEncoder:
    model = str(make_clip(folder / "clip"))
    return FilmEncoder(
        ImageEncoder(model, sources=Sources(folder=folder), device="cpu", threads=1), Limits(frames=4)
    )


@pytest.fixture(scope="module")
def speech(folder: Path) -> SpeechTranscriber:
    model = str(make_whisper(folder / "whisper"))
    return SpeechTranscriber(model, language="de", sources=Sources(folder=folder), device="cpu", threads=1)


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


def test_a_film_is_the_mean_of_its_frames(films: FilmEncoder) -> None:
    frames = [as_bytes(frame) for frame in recording(FILMS["mkv"], films.limits).frames()]
    mean = films.encode_images(frames).mean(axis=0)
    assert films.encode_images([FILMS["mkv"]])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_films_and_pictures_have_one_vector_however_they_come(films: FilmEncoder) -> None:
    uri = "data:video/mp4;base64," + base64.b64encode(FILMS["mp4"]).decode()
    media = [FILMS["mp4"], as_bytes(picture()), "film.mp4", FILMS["webm"], Path("film.mp4"), uri]
    vectors = films.encode_images(media)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert vectors[[2, 4, 5]] == pytest.approx(np.repeat(vectors[:1], 3, axis=0), abs=1e-6)
    for row, medium in zip(vectors, media, strict=True):
        assert row == pytest.approx(films.encode_images([medium])[0], abs=1e-6)
    assert vectors[1] == pytest.approx(films.inner.encode_images([media[1]])[0], abs=1e-6)
    assert films.encode_images([]).shape == (0, films.dim)


def test_the_number_of_frames_is_part_of_the_revision(films: FilmEncoder) -> None:
    assert FilmEncoder(films.inner, Limits(frames=5)).revision != films.revision


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


def test_a_recording_has_one_text_however_it_comes(speech: SpeechTranscriber) -> None:
    long, other = wav(tone(3)), wav(tone(1, 900))
    uri = "data:audio/wav;base64," + base64.b64encode(long).decode()
    texts = speech.transcribe([long, other, "tone.wav", Path("tone.wav"), uri, FILMS["webm"]])
    assert texts[0] == texts[2] == texts[3] == texts[4]
    assert texts[0] != texts[1]
    assert all(texts)
    assert speech.transcribe([other, FILMS["webm"]]) == [texts[1], texts[5]]


def test_what_does_not_sound_has_no_text(speech: SpeechTranscriber) -> None:
    silence = wav(np.zeros(RATE, dtype=np.int16))
    assert (
        speech.transcribe([silence, wav(np.zeros(0, dtype=np.int16)), coloured("mp4", sounding=False)])
        == [""] * 3
    )


def test_every_window_of_a_long_recording_is_heard(speech: SpeechTranscriber) -> None:
    """Windows of the tiny model are 2 s."""
    first, second = tone(2), tone(1, 900)
    whole = speech.transcribe([wav(np.concatenate([first, second]))])[0]
    assert whole == " ".join(speech.transcribe([wav(first), wav(second)]))


@given(pauses=st.lists(st.integers(1, 70), max_size=5))
@LAWS
def test_windows_are_the_whole_and_are_cut_where_it_is_quiet(pauses: list[int]) -> None:
    samples = np.ones(75 * RATE, dtype=np.float32)
    for second in pauses:
        samples[second * RATE : second * RATE + RATE // 2] = 0
    cut = list(windows(samples, 30 * RATE))
    assert np.array_equal(np.concatenate(cut), samples)
    assert all(0 < len(window) <= 30 * RATE for window in cut)
    if any(26 <= second <= 29 for second in pauses):
        assert cut[0][-1] == 0


def test_the_language_must_be_one_of_the_models(folder: Path, speech: SpeechTranscriber) -> None:
    with pytest.raises(EncoderError, match="INTERESTFLOW_SPEECH_LANGUAGE to one of de, en"):
        SpeechTranscriber(str(folder / "whisper"), language="fr", device="cpu")
    english = SpeechTranscriber(str(folder / "whisper"), language="en", device="cpu")
    assert english.revision != speech.revision
    with pytest.raises(EncoderError, match="INTERESTFLOW_SPEECH_ENCODER"):
        SpeechTranscriber(str(folder / "clip"), device="cpu")


def alien_codec() -> bytes:
    return film([picture(0, (64, 48))] * 3, "matroska", "mjpeg", pixels="yuvj420p")


PLAYLISTS = [
    b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"<?xml version='1.0'?><MPD/>",
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
]


@pytest.mark.parametrize("data", PLAYLISTS)
def test_a_playlist_is_neither_film_nor_recording(
    films: FilmEncoder, speech: SpeechTranscriber, data: bytes
) -> None:
    for ask in (films.encode_images, speech.transcribe):
        with pytest.raises(MediaError, match=r"1: it is no (picture|recording)"):
            ask([SHORT if ask == speech.transcribe else as_bytes(picture()), data])  # type: ignore[operator]
    for container in ("mov", "matroska", "wav", "ogg", "flac", "mp3", "aac"):
        with pytest.raises(MediaError):
            list(Recording(data, container, Limits()).frames())


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


def test_a_slow_sound_is_refused_before_it_is_blown_up() -> None:
    with pytest.raises(MediaError, match="below 4000 Hz"):
        recording(wav(tone(1), 1)).sound()


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
