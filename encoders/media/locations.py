"""Where the bytes of a picture, a recording or a film come from, and what may not be one of those places.

A catalog record is written by others. So nothing is opened unless the operator has said where: a folder,
hosts, or neither (the default), which leaves bytes and `data:` URIs.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from encoders.core.base import EncoderError

Medium = str | bytes | Path
T = TypeVar("T")
MIB = 1 << 20
SCHEME = re.compile(r"(?i)([a-z][a-z0-9+.-]*):")
BASE64_END = ";base64"


class MediaError(EncoderError):
    """One medium cannot be had or cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class MediaLocations:
    """What may be read.

    folder: files below it may be named, relative to it or absolutely; None: no file. hosts: what http(s) may
    ask, see `fetch`; none: nothing. max_bytes: of a medium. timeout_s: seconds for all of a download.
    """

    folder: Path | None = None
    hosts: tuple[str, ...] = ()
    max_bytes: int = 20 * MIB
    timeout_s: float = 10.0

    def read(self, medium: Medium) -> bytes:
        """The bytes of a medium: bytes themselves, a path, a `data:` URI, or an http(s) URL. Raises MediaError."""
        if isinstance(medium, bytes):
            data = medium
        elif isinstance(medium, Path):
            data = self._file(medium)
        else:
            data = self._named(medium)
        self._check(len(data))
        if not data:
            raise MediaError("it is empty: leave the field out where there is no medium")
        return data

    def _named(self, name: str) -> bytes:
        found = SCHEME.match(name)
        scheme = found.group(1).lower() if found else ""
        if scheme == "data":
            return self._data_uri(name)
        if scheme in ("http", "https"):
            return self._download(name)
        if scheme:
            raise MediaError(
                f"{scheme}: is no place that media are read from: give bytes, a path, a data: URI or an http(s) URL"
            )
        return self._file(Path(name))

    def _data_uri(self, uri: str) -> bytes:
        head, comma, payload = uri.partition(",")
        if not comma:
            raise MediaError("the data: URI has no comma: write data:image/png;base64,…")
        # Measured before anything is decoded: an escaped byte takes three characters, no byte less than one.
        self._check(len(payload) // 3)
        raw = unquote_to_bytes(payload)
        if not head.lower().endswith(BASE64_END):
            return raw
        try:
            return base64.b64decode(raw, validate=True)
        except binascii.Error as error:
            raise MediaError(f"the data: URI is no valid base64 ({error}): encode it again") from error

    def _download(self, url: str) -> bytes:
        if not self.hosts:
            raise MediaError("URLs are not fetched: list the hosts to trust in INTERESTFLOW_MEDIA_HOSTS")
        # Imported late: whoever fetches nothing needs none of it.
        from encoders.media.fetch import fetch

        return fetch(url, self.hosts, self.max_bytes, self.timeout_s)

    def _file(self, path: Path) -> bytes:
        if self.folder is None:
            raise MediaError(
                "files are not read: set INTERESTFLOW_MEDIA_FOLDER to the folder that holds the media"
            )
        try:
            # Resolved before it is compared: neither .. nor a link leads out.
            folder = self.folder.resolve(strict=True)
            whole = (folder / path).resolve(strict=True)
            if not whole.is_relative_to(folder):
                raise MediaError("the file lies outside INTERESTFLOW_MEDIA_FOLDER: move it there")
            return self._contents(whole)
        except (OSError, ValueError, RuntimeError) as error:  # no such file, a null byte, links in a circle
            if isinstance(error, MediaError):
                raise
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(f"the file cannot be read ({reason}): check its name and rights") from error

    def _contents(self, path: Path) -> bytes:
        if path.is_dir():
            raise MediaError("it is a folder: name a file")
        # A pipe would block for ever, a link put there since would lead out.
        with os.fdopen(
            os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"
        ) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise MediaError("it is no regular file: name one")
            self._check(about.st_size)
            return file.read(self.max_bytes + 1)

    def _check(self, size: int) -> None:
        if size > self.max_bytes:
            raise MediaError(
                f"it is larger than {self.max_bytes} bytes: make it smaller, or raise INTERESTFLOW_MEDIA_MAX_BYTES"
            )


def each(kind: str, media: Sequence[Medium], act: Callable[[Medium], T]) -> Iterator[T]:
    """What `act` gives for every medium. Raises the MediaError of the first that fails, with its index: one
    that is broken has no vector, and who holds the others tells it apart by asking again without it."""
    for index, medium in enumerate(media):
        try:
            yield act(medium)
        except MediaError as error:
            raise MediaError(f"{kind} {index}: {error}") from error
