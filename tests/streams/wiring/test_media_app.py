"""Pictures, sound and film from settings alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from encoders.media.locations import MediaError
from streams.commands.main import app
from streams.settings.configuration import load
from streams.settings.settings import Settings
from streams.wiring.media import build_pictures, build_transcripts
from tests.encoders.media.tiny_media import as_bytes, make_clip, make_whisper, picture, tone, wav


def test_none_is_built_where_none_is_named() -> None:
    assert build_pictures(Settings()) is None
    assert build_transcripts(Settings()) is None


def test_models_sources_and_limits_are_those_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mug.png").write_bytes(as_bytes(picture()))
    (tmp_path / "tone.wav").write_bytes(wav(tone(1)))
    wanted = {
        "IMAGE_ENCODER": str(make_clip(tmp_path / "clip")),
        "SPEECH_ENCODER": str(make_whisper(tmp_path / "whisper")),
        "SPEECH_LANGUAGE": "en",
        "MEDIA_FOLDER": str(tmp_path),
        "MEDIA_HOSTS": "images.shop.com, 10.2.0.0/16",
        "MEDIA_MAX_PIXELS": "1200",
        "MEDIA_FRAMES": "3",
        "MEDIA_MAX_SECONDS": "5",
    }
    for name, value in wanted.items():
        monkeypatch.setenv(f"INTERESTFLOW_{name}", value)
    settings = load()
    pictures, speech = build_pictures(settings), build_transcripts(settings)
    assert pictures is not None
    assert speech is not None
    assert pictures.encode_images(["mug.png"]).shape == (1, 12)
    with pytest.raises(MediaError, match="more than 1200 pixels"):
        pictures.encode_images([as_bytes(picture(size=(40, 31)))])
    with pytest.raises(MediaError, match="not trusted"):
        pictures.encode_images(["https://shop.com/mug.png"])
    assert all(speech.transcribe(["tone.wav"]))
    for encoder in (pictures.inner, speech):
        assert encoder.sources.hosts == ("images.shop.com", "10.2.0.0/16")
    assert (pictures.limits.frames, speech.limits.seconds) == (3, 5)
    assert CliRunner().invoke(app, ["settings"]).exit_code == 0
