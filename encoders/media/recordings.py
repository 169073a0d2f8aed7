"""The bytes of a recording or a film into samples and frames, by PyAV (ffmpeg), whoever wrote them.

ffmpeg reads from memory only: it may open no file, no URL and no playlist. It takes the container and the
codecs that are listed here and no other, decodes in the calling thread, and is asked for nothing after the
deadline. What it decodes is bounded in pixels, frames and seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from encoders.media.locations import MediaError
from encoders.media.pictures import check_size

try:
    import av
except ImportError as missing:
    raise MediaError(
        "PyAV, which decodes sound and film, is not installed: run `pip install 'interestflow[media]'`"
    ) from missing

if TYPE_CHECKING:
    from PIL import Image

Samples = npt.NDArray[np.float32]
RATE = 16_000
# Slower is no speech, and the few samples of a file would become very many at 16 kHz; faster is no sound, and
# the filter that leads from there to 16 kHz would take gigabytes.
RATES, MAX_FRAME_SAMPLES = range(4_000, 384_001), 1 << 18
# A film's key frames are seldom further apart; beyond, a frame of before is as good.
MAX_STEPS = 300
VIDEO = ("h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9")
SOUND = ("aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac")
CODECS = ",".join((*VIDEO, *SOUND, "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"))


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded of one medium at most.

    seconds: of sound, from the beginning; the rest is not heard. frames: taken of a film, evenly. pixels: of a
    frame. deadline_s: seconds for decoding; past them the medium is refused.
    """

    seconds: float = 600.0
    frames: int = 8
    pixels: int = 50_000_000
    deadline_s: float = 30.0


class _Memory(BytesIO):
    """What ffmpeg reads from: ends its loops, too, when the time is up, as if the file ended there."""

    def __init__(self, data: bytes, is_late: Callable[[], bool]) -> None:
        super().__init__(data)
        self._is_late = is_late

    def read(self, size: int | None = -1, /) -> bytes:
        return b"" if self._is_late() else super().read(size)


class Recording:
    """One medium in memory. Every method raises MediaError."""

    def __init__(
        self, data: bytes, container: str, limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """container: ffmpeg's name of the format, as `container_of` gives it. clock: in seconds."""
        self._data, self._container, self._limits, self._clock = data, container, limits, clock
        self._end = clock() + limits.deadline_s

    def sound(self) -> Samples:
        """Mono samples (N,), 16 kHz, within [-1, 1] or nearly; none where the medium has no sound."""
        pieces: list[Samples] = []
        left = int(self._limits.seconds * RATE)
        with self._open("audio") as (container, stream):
            if stream is None:
                return np.empty(0, dtype=np.float32)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            for frame in self._sound_frames(container, stream):
                for piece in resampler.resample(frame):
                    pieces.append(piece.to_ndarray()[0, :left].astype(np.float32))
                    left -= len(pieces[-1])
                if left <= 0:
                    break
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.float32)

    def frames(self) -> Iterator[Image.Image]:
        """RGB frames, evenly over the film, as many as the limit says or as there are; one is held at a time."""
        found = 0
        with self._open("video") as (container, stream):
            if stream is None:
                raise MediaError("the film has no picture: give it as a recording")
            check_size((stream.codec_context.width, stream.codec_context.height), self._limits.pixels)
            packets = [packet for packet in self._packets(container, stream) if packet.size]
            for start, offsets in _wanted(packets, self._limits.frames):
                for frame in self._decode(
                    stream.codec_context, packets[start : start + max(offsets) + 1], offsets
                ):
                    found += 1
                    yield frame
        if not found:
            raise MediaError("no frame of the film can be decoded: make the file again")

    def _decode(self, context: Any, packets: list[Any], offsets: set[int]) -> Iterator[Image.Image]:
        """Of a run of packets that begins with a key frame: its frames of these numbers, or the last instead."""
        number, last = 0, None
        for packet in (*packets, None):  # none at the end: the decoder gives what it still holds
            self._check()
            for frame in context.decode(packet):
                check_size((frame.width, frame.height), self._limits.pixels)
                if number in offsets:
                    yield _upright(frame)
                    frame = None
                number, last = number + 1, frame
        context.flush_buffers()
        if last is not None and max(offsets) >= number:
            yield _upright(last)

    def _sound_frames(self, container: Any, stream: Any) -> Iterator[Any]:
        for packet in self._packets(container, stream):
            for frame in packet.decode():
                if frame.sample_rate not in RATES or frame.samples > MAX_FRAME_SAMPLES:
                    raise MediaError(
                        f"the sound has {frame.sample_rate} samples a second, or is damaged: convert it"
                    )
                yield frame
        yield None  # the resampler gives what it still holds

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        for packet in container.demux(stream):
            self._check()
            yield packet
        self._check()  # what ended may have been the time, not the file

    def _is_late(self) -> bool:
        return self._clock() > self._end

    def _check(self) -> None:
        if self._is_late():
            raise MediaError(
                f"decoding took longer than {self._limits.deadline_s:g} s: make the file smaller, or raise "
                f"INTERESTFLOW_MEDIA_DECODE_TIMEOUT_S"
            )

    @contextmanager
    def _open(self, kind: str) -> Iterator[tuple[Any, Any]]:
        """The container and its first stream of a kind, if any, ready to be decoded."""
        left = max(self._end - self._clock(), 0.001)
        options = {
            "protocol_whitelist": "none",
            "format_whitelist": self._container,
            "codec_whitelist": CODECS,
            "max_pixels": str(self._limits.pixels),
            "threads": "1",
        }
        try:
            memory = _Memory(self._data, self._is_late)
            with av.open(
                memory, "r", format=self._container, options=options, timeout=left, io_open=_refuse,
                metadata_errors="replace",
            ) as container:  # fmt: skip
                streams = container.streams.video if kind == "video" else container.streams.audio
                stream = next(iter(streams), None)
                if stream is not None:
                    self._prepare(stream)
                yield container, stream
        except MediaError:
            raise
        except Exception as error:  # ffmpeg's errors, and whatever PyAV makes of values that make no sense
            self._check()
            raise MediaError(f"the file is damaged ({str(error)[:200]}): make it again") from error

    def _prepare(self, stream: Any) -> None:
        context = stream.codec_context
        if context is None or context.name not in CODECS.split(","):
            raise MediaError(
                f"the codec {getattr(context, 'name', 'used')!r} is not read: convert it to H.264 or AAC"
            )
        context.options = {"max_pixels": str(self._limits.pixels)}
        context.thread_count = 1


def _wanted(packets: list[Any], frames: int) -> list[tuple[int, set[int]]]:
    """Where to begin decoding, and which frames from there on to take, so that these lie evenly."""
    runs: dict[int, set[int]] = {}
    keys = [at for at, packet in enumerate(packets) if packet.is_keyframe] or [0]
    for turn in range(min(frames, len(packets))):
        at = int((turn + 0.5) * len(packets) / min(frames, len(packets)))
        start = max((key for key in keys if key <= at), default=keys[0])
        runs.setdefault(start, set()).add(min(max(at - start, 0), MAX_STEPS))
    return sorted(runs.items())


def _upright(frame: Any) -> Image.Image:
    image: Image.Image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _refuse(url: str, flags: int, options: dict[str, str]) -> Any:
    raise MediaError("the file refers to another one: give one that holds everything itself")
