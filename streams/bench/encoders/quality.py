"""One text set on the CPU: everybody's speed in turn, and how far the vectors are apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from encoders.core.base import Vectors
from encoders.text.transformer import TransformerEncoder
from streams.bench.encoders import bound
from streams.bench.encoders.contenders import (
    DEFAULT_BATCH,
    OURS,
    THEIRS,
    Contender,
    at_best,
    cosine_gap,
    encode_with,
    timed,
)
from streams.bench.harness import Samples

RATE, UNIT = "texts_per_cpu_second", "1/s"


def measure(
    case: str,
    texts: Sequence[str],
    encoder: TransformerEncoder,
    model: Any,
    runs: int,
    say: Callable[[str], None],
) -> Samples:
    """Rows of this case. model: the same in sentence-transformers."""
    best, batch = at_best(model, texts)
    rivals = [Contender(THEIRS, encode_with(model, DEFAULT_BATCH)), best]
    samples = Samples(notes={f"{case}, {best.name}": f"of {batch} texts"})
    everybody = [Contender(OURS, encoder.encode), *rivals]
    lengths = token_counts(encoder, texts)
    for round_ in range(runs):
        vectors: dict[str, Vectors] = {}
        # Who is first changes, so that nobody always follows the same one.
        turn = round_ % len(everybody)
        for contender in everybody[turn:] + everybody[:turn]:
            before = dict(encoder.counts()["tokens"])
            vectors[contender.name], seconds = timed(contender.encode, texts)
            samples.add(case, contender.name, RATE, UNIT, len(texts) / seconds)
            if contender.name == OURS:
                add_counts(samples, case, before, encoder.counts()["tokens"])
                possible = bound.operations(encoder.model, encoder.model.config, lengths)
                at_most = bound.rate(encoder.model, "cpu", torch.float32)
                samples.add(case, OURS, "share_of_sgemm", "", possible / at_most / seconds)
        samples.add(case, OURS, "max_1_minus_cosine", "", cosine_gap(vectors[OURS], vectors[THEIRS]))
        say(f"{case}, round {round_ + 1} of {runs}")
    samples.add_ratios(case, RATE, OURS, [rival.name for rival in rivals], "ratio")
    return samples


def token_counts(encoder: TransformerEncoder, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, as the encoder reads them."""
    return [len(ids) for ids in encoder.tokenize(texts)]


def add_counts(samples: Samples, case: str, before: dict[str, int], after: Any) -> None:
    """What the encoder counted meanwhile, as shares."""
    counted = {kind: after[kind] - before[kind] for kind in after}
    tokens = counted["encoded"]
    samples.add(case, OURS, "padding", "share", counted["padding"] / (tokens + counted["padding"]))
    samples.add(case, OURS, "unknown_tokens", "share", counted["unknown"] / tokens)
