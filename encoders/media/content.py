"""An item's whole content, and what reads each part of it. Which medium a reference is, is told by its name."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

import numpy as np

from encoders.core.base import Encoder, Vectors

TEXT, PICTURE, TRANSCRIPT = "text", "picture", "transcript"
SOUND = ("aac", "aif", "aiff", "flac", "m4a", "mp3", "oga", "ogg", "opus", "wav", "wma")
FILM = ("avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm")
# First bytes. A container of RIFF or ISO may hold a picture too (WebP, AVIF, HEIC), so its own kind is read.
MAGIC = (
    (
        re.compile(rb"ID3|\xff[\xe0-\xff]|fLaC|OggS|RIFF....WAVE|....ftypM4A", re.DOTALL),
        (TRANSCRIPT,),
    ),
    (
        re.compile(rb"\x1aE\xdf\xa3|RIFF....AVI |....ftyp(?!avi|hei|mif|msf)", re.DOTALL),
        (PICTURE, TRANSCRIPT),
    ),
)


@dataclass(frozen=True, slots=True)
class Content:
    """What there is of an item. media: paths, `data:` URIs, URLs or bytes; their order means nothing."""

    text: str = ""
    media: tuple[str | bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A medium that could not be read. reason: class of the first cause, one of few; name: of the medium, short;
    message: for a person, without the name."""

    medium: str
    reason: str
    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.medium} {self.name}: {self.message}"


@dataclass(frozen=True, slots=True)
class Encoded:
    """vectors: float32 (B, dim), unit rows, but NaN where nothing could be read.

    failed: by index, the media that were left out.
    """

    vectors: Vectors
    failed: Mapping[int, tuple[Failure, ...]]

    def unreadable(self) -> list[int]:
        """Indices of the contents of which nothing could be read."""
        return [index for index in sorted(self.failed) if np.isnan(self.vectors[index]).any()]


@runtime_checkable
class ContentEncoder(Encoder, Protocol):
    """Contents of several media, and texts alone, into one space."""

    def reads(self, medium: str | bytes) -> bool:
        """False for a medium that nothing here can read: it is no part of the content."""
        ...

    def read_contents(self, contents: Sequence[Content]) -> Encoded:
        """Each by what can be read of it. Raises EncoderError where an encoder fails, not a medium."""
        ...

    def encode_contents(self, contents: Sequence[Content]) -> Vectors:
        """The same as float32 (B, dim), unit rows. Raises EncoderError where nothing can be read of one."""
        ...


class Pictures(Protocol):
    """Pictures into one vector space."""

    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def dim(self) -> int: ...
    def encode_images(self, images: Sequence[str | bytes | Path]) -> Vectors:
        """Float32 (B, dim), unit rows, in order. Raises MediaError where one cannot be read."""
        ...


class Transcripts(Protocol):
    """Speech of recordings into text."""

    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> str: ...
    def transcribe(self, recordings: Sequence[str | bytes | Path]) -> list[str]:
        """Words in order, "" where none is heard. Raises MediaError where one cannot be read."""
        ...


def kinds(medium: str | bytes) -> tuple[str, ...]:
    """What it is read as, by ending, media type or first bytes: sound is heard, film seen and heard.

    All else is taken for a picture: many a picture's URL has no ending.
    """
    if isinstance(medium, bytes):
        return next((read for magic, read in MAGIC if magic.match(medium)), (PICTURE,))
    if medium[:5].lower() == "data:":
        return {"audio": (TRANSCRIPT,), "video": (PICTURE, TRANSCRIPT)}.get(medium[5:10].lower(), (PICTURE,))
    ending = (urlsplit(medium).path if "://" in medium else medium).rpartition(".")[2].lower()
    if ending in SOUND:
        return (TRANSCRIPT,)
    return (PICTURE, TRANSCRIPT) if ending in FILM else (PICTURE,)


def good_picture(shade: int) -> bytes:
    """A grey PNG of 32 by 32 pixels with nothing wrong, by which a dead encoder is told from a broken picture."""
    rows = (b"\0" + bytes([shade % 256]) * 96) * 32
    header = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    written = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)
