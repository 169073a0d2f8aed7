"""Tiny, randomly initialised models for pictures and sound, and the media that they are fed: no download."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

COLOURS = ("red", "lime", "blue", "white")
KINDS = {
    "mp4": ("mp4", "libx264", "aac"),
    "webm": ("webm", "libvpx-vp9", "libopus"),
    "mkv": ("matroska", "mpeg4", "pcm_s16le"),
}

WORDS = ["red", "mug", "shoe", "a", "the"]
TOWER: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
SIDE = 32


def make_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP of 12 dimensions for pictures of 32 x 32."""
    torch.manual_seed(seed)
    tokenizer = _words("<|startoftext|>", "<|endoftext|>")
    text = {**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": 16, **_ends(tokenizer)}
    vision = {**TOWER, "image_size": SIDE, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return _save(folder, model, tokenizer, processor)


def make_siglip(folder: Path, seed: int = 0) -> Path:
    """A SigLIP of 16 dimensions for pictures of 32 x 32."""
    torch.manual_seed(seed)
    tokenizer = _words("<s>", "</s>")
    text = {**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": 16, **_ends(tokenizer)}
    vision = {**TOWER, "image_size": SIDE, "patch_size": 8}
    model = SiglipModel(SiglipConfig(text_config={**text, "projection_size": 16}, vision_config=vision))
    return _save(folder, model, tokenizer, SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}))


def make_whisper(folder: Path, seed: int = 0) -> Path:
    """A Whisper of windows of 2 s that knows English and German."""
    torch.manual_seed(seed)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        "<|en|>",
        "<|de|>",
        "<|translate|>",
        "<|transcribe|>",
    ]
    special += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    tokenizer = WhisperTokenizer(vocab={letter: at for at, letter in enumerate(letters)}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in special}
    end, begin = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        num_mel_bins=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=100,
        max_target_positions=24,
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
        decoder_start_token_id=begin,
        init_std=0.5,  # else the words would hardly hang on the sound
    )
    model = WhisperForConditionalGeneration(config)
    multilingual: dict[str, Any] = {
        "_from_model_config": False,  # else loading makes it anew, without what follows
        "is_multilingual": True,
        "lang_to_id": {name: ids[name] for name in ("<|en|>", "<|de|>")},
        "task_to_id": {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "suppress_tokens": sorted(set(ids.values()) - {end}),
        "begin_suppress_tokens": [end],
    }
    for name, value in multilingual.items():
        setattr(model.generation_config, name, value)
    return _save(folder, model, tokenizer, WhisperFeatureExtractor(feature_size=16, chunk_length=2))


def picture(seed: int = 0, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    """Blocks of colour, smooth enough that a lossy format changes them little."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).convert(mode)


def as_bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tone(seconds: float, pitch: float = 440.0, rate: int = 16_000) -> np.ndarray[Any, Any]:
    """Samples (N,), int16, of a sine whose loudness comes and goes."""
    times = np.arange(int(seconds * rate)) / rate
    return (12_000 * np.sin(2 * np.pi * pitch * times) * (0.6 + 0.4 * np.sin(7 * times))).astype(np.int16)


def wav(samples: np.ndarray[Any, Any], rate: int = 16_000) -> bytes:
    """A mono WAV file of int16 samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def film(
    images: list[Image.Image],
    container: str = "mp4",
    codec: str = "libx264",
    sound: np.ndarray[Any, Any] | None = None,
    sound_codec: str = "aac",
    key_frames: int = 12,
    pixels: str = "yuv420p",
) -> bytes:
    """A film of 10 frames a second, with a sound track where samples at 16 kHz are given."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        video = output.add_stream(codec, rate=10, options={"g": str(key_frames), "threads": "1"})
        video.width, video.height, video.pix_fmt = *images[0].size, pixels
        audio = None if sound is None else output.add_stream(sound_codec, rate=16_000, layout="mono")
        for image in images:
            output.mux(video.encode(av.VideoFrame.from_image(image)))
        output.mux(video.encode(None))
        if audio is not None and sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[np.newaxis], format="s16", layout="mono")
            frame.sample_rate = 16_000
            output.mux([packet for part in _fitting(audio, frame) for packet in audio.encode(part)])
            output.mux(audio.encode(None))
    return file.getvalue()


def coloured(name: str, key_frames: int = 12, sounding: bool = True) -> bytes:
    """Two seconds: four colours of half a second each."""
    container, codec, sound_codec = KINDS[name]
    images = [Image.new("RGB", (64, 48), colour) for colour in COLOURS for _ in range(5)]
    return film(images, container, codec, tone(2) if sounding else None, sound_codec, key_frames)


def _fitting(audio: Any, frame: av.AudioFrame) -> list[av.AudioFrame]:
    context = audio.codec_context
    resampler = av.AudioResampler(context.format, context.layout, context.sample_rate, frame_size=960)
    return [*resampler.resample(frame), *resampler.resample(None)]


def _words(begin: str, end: str) -> PreTrainedTokenizerFast:
    pieces = [begin, end, "<unk>", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({piece: at for at, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, 0), (end, 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=begin, eos_token=end, pad_token=end, unk_token="<unk>"
    )


def _ends(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}


def _save(folder: Path, *parts: Any) -> Path:
    for part in parts:
        part.save_pretrained(folder)
    return folder
