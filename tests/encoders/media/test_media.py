"""Sound and film: the same text and vector however they come, and an error, never anything else, for what is none."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.core.base import EncoderError
from encoders.media.film import FilmEncoder, SpeechTranscriber, windows
from encoders.media.image import ImageEncoder
from encoders.media.locations import MediaError, MediaLocations
from encoders.media.recordings import RATE, Limits, Recording
from tests.encoders.media.tiny_media import (
    KINDS,
    as_bytes,
    coloured,
    make_clip,
    make_whisper,
    picture,
    tone,
    wav,
)

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
        ImageEncoder(model, sources=MediaLocations(folder=folder), device="cpu", threads=1), Limits(frames=4)
    )


@pytest.fixture(scope="module")
def speech(folder: Path) -> SpeechTranscriber:
    model = str(make_whisper(folder / "whisper"))
    return SpeechTranscriber(
        model, language="de", sources=MediaLocations(folder=folder), device="cpu", threads=1
    )


def test_a_film_is_the_mean_of_its_frames(films: FilmEncoder) -> None:
    frames = [as_bytes(frame) for frame in Recording(FILMS["mkv"], "matroska", films.limits).frames()]
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
@settings(max_examples=30)
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
