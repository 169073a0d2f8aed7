"""Texts per second of three architectures, from raw text and from token ids, where the machine has a GPU on it.

The weights of the larger two are random, which is as fast as trained ones. On a GPU in bfloat16 and in seconds of
the clock; on a CPU the same code runs in float32, over few texts and in CPU seconds, and the notes say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoTokenizer, BertConfig, BertModel, Qwen3Config, Qwen3Model

from encoders.text.transformer import TransformerEncoder
from streams.bench.encoders import bound
from streams.bench.encoders.contenders import BATCHES, DEFAULT_BATCH, OURS, THEIRS_AT_BEST, ours, theirs
from streams.bench.encoders.texts import of_tokens
from streams.bench.harness import Samples

CASE = "device"
TOKENS = (16, 32, 64)
# Bigger batches than any CPU wants.
GPU_BATCHES = (512, 1024, 2048, 4096)
# Of the products on a CPU, where one takes seconds for the largest model; on a GPU as many as elsewhere.
CPU_REPEATS = 1
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Architecture:
    """make: writes model and tokenizer into a folder and returns it. texts: of a round, on a CPU and on a GPU."""

    name: str
    make: Callable[[Path], str]
    texts: tuple[int, int]


def _demo(_: Path) -> str:
    return str(ours().folder)


def _bert_base(folder: Path) -> str:
    return _random(folder, BertModel(BertConfig()))  # type: ignore[no-untyped-call]  # theirs has no annotations


def _qwen(folder: Path) -> str:
    """Qwen3-0.6B's layers, with the vocabulary of the tokenizer that is at hand."""
    config = Qwen3Config(
        vocab_size=30_522,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
    )
    return _random(folder, Qwen3Model(config))


def _random(folder: Path, model: Any) -> str:
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(ours().folder)).save_pretrained(folder)
    return str(folder)


ARCHITECTURES = (
    Architecture("MiniLM", _demo, (64, 100_000)),
    Architecture("BERT base", _bert_base, (4, 50_000)),
    Architecture("0.6B", _qwen, (2, 10_000)),
)


def measure(runs: int, seed: int, say: Say) -> Samples:
    """Rows `device <architecture>, <n> tokens`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    samples = Samples()
    samples.notes[CASE] = (
        f"{torch.cuda.get_device_name()}, bfloat16, seconds of the clock"
        if device == "cuda"
        else "no GPU here: the same code on the CPU, float32, one thread, CPU seconds, few texts"
    )
    torch.manual_seed(seed)
    for architecture in ARCHITECTURES:
        with TemporaryDirectory() as folder:
            _architecture(architecture, architecture.make(Path(folder)), device, runs, seed, samples, say)
    return samples


def _architecture(
    architecture: Architecture, folder: str, device: str, runs: int, seed: int, samples: Samples, say: Say
) -> None:
    encoder = TransformerEncoder(folder, device=device, threads=1)
    options = {} if device == "cpu" else {"model_kwargs": {"dtype": torch.bfloat16}}
    model = theirs(folder, device, **options)
    words = _single_tokens(encoder)
    for tokens in TOKENS:
        # Two are the special tokens that most models add.
        texts = of_tokens(architecture.texts[device != "cpu"], tokens - 2, words, seed)
        case = f"{CASE} {architecture.name}, {tokens} tokens"
        _case(case, encoder, model, texts, device, runs, samples)
        say(case)


def _case(
    case: str,
    encoder: TransformerEncoder,
    model: Any,
    texts: Sequence[str],
    device: str,
    runs: int,
    samples: Samples,
) -> None:
    ids = encoder.tokenize(texts)
    lengths = [len(row) for row in ids]
    best = _best_batch(model, texts, device)
    encoder.encode(texts[:64])  # what is compiled or allocated once is no part of the rate
    for _ in range(runs):
        from_text = _seconds(lambda: encoder.encode(texts), device)
        from_ids = _seconds(lambda: encoder.encode_ids(ids), device)
        other = _seconds(lambda: _theirs(model, texts, best), device)
        possible = bound.operations(encoder.model, encoder.model.config, lengths)
        share = possible / _rate(encoder, sum(lengths), device) / from_ids
        samples.add(case, OURS, "texts_per_second", "1/s", len(texts) / from_text)
        samples.add(case, OURS, "texts_per_second_from_ids", "1/s", len(texts) / from_ids)
        samples.add(case, OURS, "share_of_gemm_from_ids", "share", share)
        samples.add(case, THEIRS_AT_BEST, "texts_per_second", "1/s", len(texts) / other)
    samples.add_ratios(case, "texts_per_second", OURS, [THEIRS_AT_BEST], "ratio")


def _best_batch(model: Any, texts: Sequence[str], device: str) -> int:
    """Their best batch size, by one try each; on a CPU their default, tried for what is compiled or allocated once."""
    batches = (DEFAULT_BATCH,) if device == "cpu" else (*BATCHES, *GPU_BATCHES)
    few = texts[: max(batches) * 2]
    return min(batches, key=lambda size: _seconds(lambda: _theirs(model, few, size), device))


def _rate(encoder: TransformerEncoder, tokens: int, device: str) -> float:
    """Of products with no more rows than the texts have tokens: 1024 take the largest model 12 s on a CPU's core."""
    repeats = CPU_REPEATS if device == "cpu" else bound.REPEATS
    return bound.rate(encoder.model, device, encoder.model.dtype, min(bound.ROWS, tokens), repeats)


def _theirs(model: Any, texts: Sequence[str], batch: int) -> None:
    model.encode(list(texts), batch_size=batch, normalize_embeddings=True, show_progress_bar=False)


def _seconds(work: Callable[[], object], device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    started = clock()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return clock() - started


def _single_tokens(encoder: TransformerEncoder) -> list[str]:
    """Words that the tokenizer leaves whole."""
    words = AutoTokenizer.from_pretrained(str(encoder.folder)).get_vocab()
    return sorted(word for word in words if word.isascii() and word.isalpha() and len(word) > 3)[:2000]
