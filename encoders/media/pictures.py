"""The bytes of a picture into pixels, whoever wrote them.

Every way in which a file can be hostile ends in a MediaError: the format is told by content and is one of a
few whose decoders are native code without helpers of their own (no EPS, so no Ghostscript; no TIFF), the size
is read from the header and refused before a pixel is decoded.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np

from encoders.media.locations import MediaError

try:
    from PIL import Image, ImageOps, UnidentifiedImageError
except ImportError as missing:
    raise MediaError(
        "Pillow, which decodes pictures, is not installed: run `pip install 'interestflow[media]'`"
    ) from missing

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
# Wider or taller than this a picture is a line; resizing its short side to the model's would make it huge.
MAX_ASPECT = 50
BIT16 = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def decode(data: bytes, max_pixels: int, wanted: int) -> Image.Image:
    """The first frame as RGB with 8 bits, upright as its EXIF orientation says, transparency on white.

    max_pixels: width times height that are decoded at most. wanted: pixels of the shorter side that are of
    use; a JPEG may be decoded at a half, a quarter or an eighth of its size where that leaves as many.
    Raises MediaError.
    """
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            check_size(picture.size, max_pixels)
            if picture.format == "JPEG":
                picture.draft(None, (wanted, wanted))
            picture.load()
            return _upright_rgb(picture)
    except MediaError:
        raise
    except UnidentifiedImageError as error:
        raise MediaError(
            f"it is no picture in one of the formats {', '.join(FORMATS)}: convert it"
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_many(max_pixels) from error
    except Exception as error:  # on broken files the decoders raise whatever they come across
        raise MediaError(f"the picture is damaged ({str(error)[:200]}): make the file again") from error


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raises MediaError where width and height are beyond what is decoded."""
    short, long = sorted(size)
    if short < 1:
        raise MediaError("the picture has no pixels: make the file again")
    if short * long > max_pixels:
        raise _too_many(max_pixels)
    if long > MAX_ASPECT * short:
        raise MediaError(f"the picture is more than {MAX_ASPECT} times as long as it is wide: crop it")


def _too_many(max_pixels: int) -> MediaError:
    return MediaError(
        f"the picture has more than {max_pixels} pixels: make it smaller, or raise INTERESTFLOW_MEDIA_MAX_PIXELS"
    )


def _upright_rgb(picture: Image.Image) -> Image.Image:
    upright = picture
    try:
        upright = ImageOps.exif_transpose(picture)
    except Exception:  # EXIF that cannot be read says nothing; the pixels are there
        upright = picture
    if upright.mode in BIT16:
        # Pillow would clip these to 255 instead of scaling them.
        return Image.fromarray((np.asarray(upright) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    ground = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(ground, upright.convert("RGBA")).convert("RGB")
