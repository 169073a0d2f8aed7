"""Sound into text, and film into a vector of its frames; the text of a film is that of its sound.

Sources: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023 (Whisper); Luo et
al., CLIP4Clip, Neurocomputing 2022 (a film as the mean of its frames' vectors).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModelForSpeechSeq2Seq

from encoders.checkpoints.pretrained import (
    Setting,
    choose,
    digest,
    find,
    load_model,
    load_part,
    load_tokenizer,
)
from encoders.core.base import EncoderError, Vectors
from encoders.media.image import ImageEncoder
from encoders.media.locations import MediaError, MediaLocations, Medium, each
from encoders.media.recordings import RATE, Limits, Recording, Samples

SETTING = Setting("INTERESTFLOW_SPEECH_ENCODER")
# Windows are cut at the quietest tenth of a second of their last five, so that few words are cut in two.
SEARCH, STEP = 5 * RATE, RATE // 10
# A window that stays below this (-60 dB) is silence, in which Whisper hears words that nobody said.
SILENCE = 1e-3
STILL = (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix")


def container_of(data: bytes) -> str | None:
    """ffmpeg's name of the format by its first bytes; None: no recording and no film that is read here."""
    if data[4:8] == b"ftyp":
        return None if data[8:12] in STILL else "mov"
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return "wav"
    for magic, name in ((b"\x1aE\xdf\xa3", "matroska"), (b"OggS", "ogg"), (b"fLaC", "flac"), (b"ID3", "mp3")):
        if data.startswith(magic):
            return name
    if data[:1] == b"\xff" and len(data) > 1 and data[1] & 0xE0 == 0xE0:
        return "aac" if data[1] & 0x06 == 0 else "mp3"
    return None


class FilmEncoder:
    """Pictures and films in the space of a picture encoder; which one a medium is, its first bytes tell."""

    def __init__(self, inner: ImageEncoder, limits: Limits | None = None) -> None:
        """limits: of films; its pixels hold for frames, those of `inner` for pictures."""
        self.inner, self.limits = inner, limits or Limits()
        self.id, self.dim = inner.id, inner.dim
        self.revision = f"{inner.revision}+film{self.limits.frames}"

    def encode_images(self, images: Sequence[Medium]) -> Vectors:
        """As ImageEncoder's; a picture's vector is bit for bit the same but for its batch, a film's is the unit
        mean of its frames'. Raises MediaError, which names the index."""
        counts: list[int] = []

        def frames() -> Iterator[torch.Tensor]:
            for prepared in each("picture", images, self._prepare):
                counts.append(len(prepared))
                yield from prepared

        rows = self.inner.forward(frames())
        vectors = np.empty((len(images), self.dim), dtype=np.float32)
        start = 0
        for row, count in enumerate(counts):
            vectors[row] = _unit_mean(rows[start : start + count])
            start += count
        return vectors

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder: texts in the same space."""
        return self.inner.encode(texts)

    def _prepare(self, medium: Medium) -> list[torch.Tensor]:
        data = self.inner.sources.read(medium)
        container = container_of(data)
        if container is None:
            return [self.inner.prepare(self.inner.decode(data))]
        return [self.inner.prepare(frame) for frame in Recording(data, container, self.limits).frames()]


class SpeechTranscriber:
    """What is said in recordings and films, by a model of the Whisper kind."""

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        language: str | None = None,
        sources: MediaLocations | None = None,
        limits: Limits | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        """model: a local folder, or a name. revision: a commit of a named model. language: a code such as `en`;
        None: the model tells it. threads: CPU threads of torch in this process. Raises EncoderError."""
        self.device, dtype = choose(device, threads)
        folder = find(model, revision, SETTING)
        self._features = load_part(AutoFeatureExtractor, folder, SETTING)
        self._tokenizer = load_tokenizer(folder, SETTING)
        self._model = load_model(AutoModelForSpeechSeq2Seq, folder, SETTING, dtype)
        self._model.to(self.device)
        if self._model.config.model_type != "whisper":
            raise EncoderError(f"{model!r} is no Whisper model: set {SETTING.name} to one")
        self.sources, self.limits, self.id = sources or MediaLocations(), limits or Limits(), model
        # Tokens of a window, the model's own bound; a folder without the setting would leave it at 20.
        self._model.generation_config.max_length = self._model.config.max_target_positions
        self._speak = self._options(language)
        processing, tokens = self._features.to_json_string(), self._tokenizer.backend_tokenizer.to_str()
        config = self._model.generation_config.to_json_string()
        self.revision = digest(
            self._model, processing, tokens, config, dtype, sorted(self._speak.items()), self.limits.seconds
        )

    def transcribe(self, recordings: Sequence[Medium]) -> list[str]:
        """One text each, in order; empty where nothing is to be heard. A recording's text does not depend on the
        others. Raises MediaError, which names the index, as ImageEncoder does."""
        return list(each("recording", recordings, self._transcribe))

    def _transcribe(self, medium: Medium) -> str:
        data = self.sources.read(medium)
        container = container_of(data)
        if container is None:
            raise MediaError(
                "it is no recording in MP4, WebM, Matroska, WAV, FLAC, Ogg, MP3 or AAC: convert it"
            )
        samples = Recording(data, container, self.limits).sound()
        # Batched by recording, never across: a word that is nearly a tie must not hang on its neighbours.
        loud = [window for window in windows(samples, int(self._features.n_samples)) if _is_loud(window)]
        if not loud:
            return ""
        heard = self._features(loud, sampling_rate=RATE, return_attention_mask=True, return_tensors="pt")
        with torch.inference_mode():
            tokens = self._model.generate(
                heard["input_features"].to(self.device, self._model.dtype),
                attention_mask=heard["attention_mask"].to(self.device),
                **self._speak,
            )
        said = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return " ".join(text.strip() for text in said if text.strip())

    def _options(self, language: str | None) -> dict[str, Any]:
        """Greedy, at temperature zero: the same sound gives the same text."""
        generation = self._model.generation_config
        options: dict[str, Any] = {
            "do_sample": False,
            "num_beams": 1,
            "return_timestamps": False,
        }
        languages = {name.strip("<|>") for name in getattr(generation, "lang_to_id", None) or {}}
        if language is not None and language not in (languages or {"en"}):
            raise EncoderError(
                f"{self.id!r} does not know the language {language!r}: set INTERESTFLOW_SPEECH_LANGUAGE to one of "
                f"{', '.join(sorted(languages or {'en'}))}"
            )
        if languages:  # an English-only model takes neither
            options |= {"language": language, "task": "transcribe"}
        return options


def windows(samples: Samples, size: int) -> Iterator[Samples]:
    """Runs of at most `size` samples that together are the whole, cut where it is quietest."""
    start = 0
    while len(samples) - start > size:
        end = start + size
        if size > 2 * SEARCH:
            tail = samples[end - SEARCH : end].reshape(-1, STEP)
            end = end - SEARCH + (int(np.abs(tail).mean(axis=1).argmin()) + 1) * STEP
        yield samples[start:end]
        start = end
    if start < len(samples):
        yield samples[start:]


def _is_loud(window: Samples) -> bool:
    return bool(np.abs(window).max() > SILENCE)


def _unit_mean(rows: Vectors) -> Vectors:
    if len(rows) == 1:
        return rows[:1].ravel()
    total = rows.astype(np.float64).sum(axis=0)
    norm = np.linalg.norm(total)
    unit: Vectors = (total / norm if norm > 0 else rows[0]).astype(np.float32)
    return unit
