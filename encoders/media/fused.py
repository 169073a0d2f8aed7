"""The encoder of contents: text, pictures and what is said in recordings, fused into one vector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from encoders.core.base import Encoder, EncoderError, Vectors, identity
from encoders.fitted.fusion import Fusion, FusionError, Parts
from encoders.media.content import (
    PICTURE,
    TEXT,
    TRANSCRIPT,
    Content,
    Encoded,
    Failure,
    Pictures,
    Transcripts,
    kinds,
)
from encoders.media.locations import MediaError

T = TypeVar("T")
Failures = dict[int, tuple[Failure, ...]]
# Characters of what is told of a medium that cannot be read.
LONGEST_NAME, LONGEST_MESSAGE = 80, 300


class FusedEncoder:
    """A ContentEncoder of a text encoder, and one for pictures, one for recordings, or both.

    Several pictures of an item count as their mean; several recordings as the mean of their transcripts' vectors.
    """

    def __init__(
        self,
        text: Encoder,
        fusion: Callable[[dict[str, int]], Fusion] | Fusion,
        pictures: Pictures | None = None,
        transcripts: Transcripts | None = None,
    ) -> None:
        """text: with a cache of its own, if any. fusion: or what makes one for these dimensions of the media.

        Raises FusionError where the fusion was fitted on other encoders.
        """
        self.inner, self.pictures, self.transcripts = text, pictures, transcripts
        self.spaces = {TEXT: identity(text)}
        widths = {TEXT: text.dim}
        if pictures is not None:
            self.spaces[PICTURE], widths[PICTURE] = f"{pictures.id}@{pictures.revision}", pictures.dim
        if transcripts is not None:
            # Words heard are a medium of their own, of the text encoder's space.
            self.spaces[TRANSCRIPT] = f"{transcripts.id}@{transcripts.revision} {identity(text)}"
            widths[TRANSCRIPT] = text.dim
        self.widths = widths
        self.fusion = fusion(widths) if callable(fusion) else fusion
        self._check()
        parts = [part for part in (text, pictures, transcripts) if part is not None]
        self.id = "+".join(part.id for part in parts)
        self.revision = "+".join([*(part.revision for part in parts), self.fusion.version])
        self.dim = self.fusion.dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder: contents of text alone."""
        return self.encode_contents([Content(text) for text in texts])

    def encode_contents(self, contents: Sequence[Content]) -> Vectors:
        """See ContentEncoder."""
        encoded = self.read_contents(contents)
        for index in encoded.unreadable():
            raise EncoderError(f"content {index} has nothing else: {encoded.failed[index][0]}")
        return encoded.vectors

    def read_contents(self, contents: Sequence[Content]) -> Encoded:
        """See ContentEncoder."""
        parts, failed = self.parts(contents)
        return Encoded(self.fusion.fuse(parts), failed)

    def reads(self, medium: str | bytes) -> bool:
        """See ContentEncoder."""
        return not self.widths.keys().isdisjoint(kinds(medium))

    def parts(self, contents: Sequence[Content]) -> tuple[Parts, Failures]:
        """The media by themselves, what the fusion is of; and by index, what could not be read."""
        parts = {
            medium: np.zeros((len(contents), width), np.float32) for medium, width in self.widths.items()
        }
        failed: defaultdict[int, tuple[Failure, ...]] = defaultdict(tuple)
        for medium, ask in ((PICTURE, self._look), (TRANSCRIPT, self._listen)):
            if medium in parts:
                media = [_of(content, medium) for content in contents]
                found = _read(medium, media, ask)
                for row, own in enumerate(media):
                    results = [found[one] for one in own]
                    failed[row] += tuple(result for result in results if isinstance(result, Failure))
                    parts[medium][row] = _pooled(
                        [r for r in results if not isinstance(r, Failure)], parts[medium][row]
                    )
        failures = {row: own for row, own in failed.items() if own}
        self._add_texts(parts, contents, failures)
        return parts, failures

    def _add_texts(self, parts: dict[str, Vectors], contents: Sequence[Content], failures: Failures) -> None:
        # A blank text is none beside other media; alone, it has the text encoder's vector of a blank text.
        others = np.zeros(len(contents), dtype=bool)
        for medium, vectors in parts.items():
            others |= vectors.any(axis=1) if medium != TEXT else False
        rows = [
            row
            for row, content in enumerate(contents)
            if content.text.strip() or not (others[row] or row in failures)
        ]
        parts[TEXT][rows] = self.inner.encode([contents[row].text for row in rows])

    def _look(self, media: Sequence[str | bytes]) -> Sequence[Vectors]:
        assert self.pictures is not None
        return list(self.pictures.encode_images(media))

    def _listen(self, media: Sequence[str | bytes]) -> Sequence[Vectors]:
        assert self.transcripts is not None
        words = self.transcripts.transcribe(media)
        vectors = self.inner.encode(words)
        # Where nothing is said, nothing is heard of the item.
        vectors[[not text.strip() for text in words]] = 0.0
        return list(vectors)

    def _check(self) -> None:
        for medium, space in self.fusion.sources.items():
            if self.spaces.get(medium) != space:
                raise FusionError(
                    f"the fusion was fitted on {medium} of {space}, not of {self.spaces.get(medium, 'no encoder')}: "
                    f"run `interestflow fit fusion` with these encoders"
                )
        zeros = {medium: np.zeros((0, width), np.float32) for medium, width in self.widths.items()}
        self.fusion.fuse(zeros)


def _of(content: Content, medium: str) -> list[str | bytes]:
    """Each once, in an order of their own, so that neither a repeat nor the item's order counts."""
    own = {one for one in content.media if medium in kinds(one)}
    return sorted(own, key=lambda one: one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one)


def _read(
    medium: str, media: Sequence[Sequence[str | bytes]], ask: Callable[[Sequence[str | bytes]], Sequence[T]]
) -> dict[str | bytes, T | Failure]:
    """Each distinct one: all at once, and where one of them cannot be read, one after the other."""
    distinct = list(dict.fromkeys(one for own in media for one in own))
    if not distinct:
        return {}
    try:
        return dict(zip(distinct, ask(distinct), strict=True))
    except MediaError:
        return {one: _alone(medium, one, ask) for one in distinct}


def _alone(medium: str, one: str | bytes, ask: Callable[[Sequence[str | bytes]], Sequence[T]]) -> T | Failure:
    try:
        return ask([one])[0]
    except MediaError as error:
        causes: list[Exception] = [error]
        while isinstance(cause := causes[-1].__cause__, Exception):
            causes.append(cause)
        # What was raised for the medium itself: around it stands its index, of which there is one here.
        own = error.__cause__ if isinstance(error.__cause__, MediaError) else error
        return Failure(medium, type(causes[-1]).__name__, _name(one), str(own)[:LONGEST_MESSAGE])


def _name(medium: str | bytes) -> str:
    """By which a person finds it; without a URL's query, which may hold what gives access."""
    if isinstance(medium, bytes):
        return f"of {len(medium)} bytes"
    name = medium.partition("?")[0] if "://" in medium else medium
    return repr(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…")


def _pooled(vectors: Sequence[Vectors], missing: Vectors) -> Vectors:
    """Their unit mean; the row of a missing medium where there are none, or where they cancel out."""
    total = np.sum(vectors, axis=0) if vectors else missing
    length = float(np.sqrt(total @ total))
    return missing if length == 0 else total / np.float32(length)
