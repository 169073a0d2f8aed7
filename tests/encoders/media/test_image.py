"""Pictures: one vector however they come, and an error, never anything else, for what is none."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from encoders.core.base import EncoderError
from encoders.media.image import ImageEncoder
from encoders.media.locations import MediaError, MediaLocations
from encoders.media.pictures import FORMATS, decode
from tests.encoders.media.tiny_media import as_bytes, make_clip, make_siglip, picture
from tests.encoders.tiny import make_bert

LAWS = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
PICTURES = [as_bytes(picture(seed, (30 + 9 * seed, 40))) for seed in range(5)]


@pytest.fixture(scope="module", params=[make_clip, make_siglip], ids=["clip", "siglip"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ImageEncoder:
    folder = tmp_path_factory.mktemp("media")
    (folder / "0.png").write_bytes(PICTURES[0])
    model = request.param(folder / "model")
    return ImageEncoder(
        str(model), sources=MediaLocations(folder=folder), batch_size=2, device="cpu", threads=1
    )


@given(chosen=st.lists(st.integers(0, 4), max_size=7))
@LAWS
def test_a_picture_has_one_vector_in_any_batch(encoder: ImageEncoder, chosen: list[int]) -> None:
    together = encoder.encode_images([PICTURES[at] for at in chosen])
    assert together.shape == (len(chosen), encoder.dim)
    assert together.dtype == np.float32
    for row, at in zip(together, chosen, strict=True):
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
        assert row == pytest.approx(encoder.encode_images([PICTURES[at]])[0], abs=1e-6)


def test_other_pictures_have_other_vectors(encoder: ImageEncoder) -> None:
    vectors = encoder.encode_images(PICTURES)
    assert (vectors @ vectors.T)[~np.eye(5, dtype=bool)].max() < 0.999


def test_bytes_path_and_data_uri_are_equal(encoder: ImageEncoder) -> None:
    uri = "data:image/png;base64," + base64.b64encode(PICTURES[0]).decode()
    vectors = encoder.encode_images([PICTURES[0], "0.png", Path("0.png"), uri])
    assert vectors == pytest.approx(np.repeat(vectors[:1], 4, axis=0), abs=1e-6)


def test_texts_are_in_the_same_space(encoder: ImageEncoder) -> None:
    texts = encoder.encode(["red mug", "the shoe", "\ud800", "red mug " * 50])
    assert texts.shape == (4, encoder.dim)
    assert np.linalg.norm(texts, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert texts[0] @ texts[1] < 0.999


def test_a_broken_picture_is_named(encoder: ImageEncoder) -> None:
    with pytest.raises(MediaError, match="picture 1: it is no picture"):
        encoder.encode_images([PICTURES[0], b"broken", PICTURES[1]])


def test_the_revision_tells_weights_and_preprocessing_apart(tmp_path: Path) -> None:
    def revision(folder: Path) -> str:
        return ImageEncoder(str(folder), device="cpu").revision

    first, again, other = (make_clip(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert revision(first) == revision(again) != revision(other)
    config = again / "preprocessor_config.json"
    config.write_text(config.read_text().replace("0.48145466", "0.5"))
    assert revision(first) != revision(again)


def test_what_is_no_picture_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="INTERESTFLOW_IMAGE_ENCODER"):
        ImageEncoder(str(make_bert(tmp_path / "bert")), device="cpu")


def pixels(data: bytes, max_pixels: int = 10**6, wanted: int = 64) -> Any:
    return np.asarray(decode(data, max_pixels, wanted)).astype(int)


def png(width: int, height: int) -> bytes:
    """A PNG whose header says so, with next to nothing behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 3), (40, 30), (7, 200)])
def test_every_format_and_small_sizes(encoder: ImageEncoder, kind: str, size: tuple[int, int]) -> None:
    original = picture(1, size)
    data = as_bytes(original, kind)
    if min(size) > 3 or kind in ("PNG", "GIF"):  # the others halve the resolution of colour
        assert np.abs(pixels(data) - np.asarray(original).astype(int)).mean() < 25
    assert np.isfinite(encoder.encode_images([data])).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = picture(2, mode="L")
    if mode == "I;16":
        original = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        original = (grey if mode in ("1", "L", "LA") else picture(2)).convert(mode)
    decoded = pixels(as_bytes(original, "JPEG" if mode == "CMYK" else "PNG"), wanted=1000)
    expected = np.asarray(grey.convert("RGB") if mode == "I;16" else original.convert("RGB")).astype(int)
    assert np.abs(decoded - expected).mean() < (8 if mode == "CMYK" else 1)


def test_transparency_is_white() -> None:
    """Whatever colour lies hidden below it."""
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    palette = Image.new("P", (4, 4))
    palette.putpalette([255, 0, 0, *([0] * 765)])
    for data in (
        as_bytes(clear),
        as_bytes(clear, "WEBP", lossless=True),
        as_bytes(palette, transparency=b"\0"),
    ):
        assert (pixels(data) == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    data = as_bytes(first, kind, save_all=True, append_images=[second], duration=100)
    assert pixels(data)[4, 4].tolist() == pytest.approx([255, 0, 0], abs=3)


def test_a_photograph_is_turned_upright() -> None:
    turned = Image.new("RGB", (64, 32), "red")
    turned.paste("blue", (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter, clockwise
    upright = pixels(as_bytes(turned, "JPEG", exif=exif))
    assert upright.shape == (64, 32, 3)
    assert upright[8, 16, 2] > 200
    assert upright[56, 16, 0] > 200
    assert pixels(as_bytes(turned, "JPEG", exif=b"Exif\0\0broken")).shape == (32, 64, 3)


def test_a_large_photograph_is_decoded_smaller() -> None:
    assert pixels(as_bytes(picture(1, (800, 800)), "JPEG")).shape == (100, 100, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(1000, 1001), "more than 1000000 pixels.*INTERESTFLOW_MEDIA_MAX_PIXELS"),
        (png(60_000, 60_000), "more than 1000000 pixels"),
        (png(2**31 - 1, 2**31 - 1), "more than 1000000 pixels"),
        (png(1, 51), "50 times as long"),
        (png(51, 1), "50 times as long"),
        (png(0, 5), "no pic"),
        (png(50, 50), "damaged"),
        (as_bytes(picture(), "PNG")[:-40], "damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "formats JPEG"),
        (as_bytes(picture(), "TIFF"), "formats JPEG"),
        (as_bytes(picture(), "BMP"), "formats JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "formats JPEG"),
        (b"\x89PNG\r\n\x1a\n", "formats JPEG|damaged"),
        (b"\xff\xd8\xff", "formats JPEG|damaged"),
    ],
)
def test_a_hostile_file_is_an_error_that_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        decode(data, 10**6, 64)


@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
@LAWS
def test_broken_at_any_place_it_has_pixels_or_is_an_error(kind: str, data: st.DataObject) -> None:
    whole = bytearray(as_bytes(picture(), kind))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)):
        whole[at] ^= data.draw(st.integers(1, 255))
    end = data.draw(st.integers(1, len(whole)))
    try:
        found = decode(bytes(whole[:end]), 10**6, 64)
    except MediaError:
        return
    assert found.mode == "RGB"
    assert 0 < found.width * found.height <= 10**6


@given(data=st.binary(max_size=200))
@example(data=b"GIF89a" + bytes(20))
@example(data=b"RIFF\x10\0\0\0WEBPVP8 ")
@LAWS
def test_any_bytes_are_a_picture_or_an_error(data: bytes) -> None:
    try:
        Image.open(io.BytesIO(data), formats=FORMATS).load()
    except Exception:  # what the decoders raise, we turn into one error
        with pytest.raises(MediaError):
            decode(data, 10**6, 64)
