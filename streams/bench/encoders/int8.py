"""The demo encoder in static int8 on ONNX Runtime: its speed beside sentence-transformers, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from encoders.checkpoints.weights import load_parts
from encoders.core.base import EncoderError
from encoders.onnx.encoder import OnnxEncoder
from encoders.onnx.export import export, kept_neighbours, to_int8
from streams.bench.encoders.contenders import (
    DEFAULT_BATCH,
    MAX_LENGTH,
    THEIRS,
    Contender,
    at_best,
    encode_with,
    ours,
    theirs,
    timed,
)
from streams.bench.encoders.quality import RATE, UNIT
from streams.bench.harness import Samples

CASE, INT8 = "int8 english", "interestflow int8"


def measure(texts: Sequence[str], runs: int, say: Callable[[str], None]) -> Samples:
    """Rows of this case. The scales are from the same catalog's texts, as `export onnx` takes them."""
    samples = Samples()
    try:
        with TemporaryDirectory() as folder:
            parts = load_parts("demo")
            say("exporting to ONNX Runtime, and finding the scales of int8")
            export(parts, Path(folder), {})
            to_int8(Path(folder), texts[:: max(1, len(texts) // 400)], MAX_LENGTH)
            encoder = OnnxEncoder(Path(folder), max_length=MAX_LENGTH, threads=1)
            _measure(encoder, texts, runs, samples, say)
    except EncoderError as error:  # the packages of the extra `onnx` are not here
        say(str(error))
        samples.missing(CASE, INT8, RATE, UNIT)
        samples.notes[CASE] = f"missing. {error}"
    return samples


def _measure(
    encoder: OnnxEncoder, texts: Sequence[str], runs: int, samples: Samples, say: Callable[[str], None]
) -> None:
    exact = ours()
    model = theirs(str(exact.folder))
    best, batch = at_best(model, texts)
    samples.notes[f"{CASE}, {best.name}"] = f"of {batch} texts"
    rivals = [Contender(THEIRS, encode_with(model, DEFAULT_BATCH)), best]
    everybody = [Contender(INT8, encoder.encode), *rivals]
    for round_ in range(runs):
        turn = round_ % len(everybody)
        for contender in everybody[turn:] + everybody[:turn]:
            _, seconds = timed(contender.encode, texts)
            samples.add(CASE, contender.name, RATE, UNIT, len(texts) / seconds)
        say(f"{CASE}, round {round_ + 1} of {runs}")
    samples.add_ratios(CASE, RATE, INT8, [rival.name for rival in rivals], "ratio")
    recall, gap = kept_neighbours(exact, encoder, sorted(set(texts)))
    samples.add(CASE, INT8, "neighbour_recall_at_10", "share", recall)
    samples.add(CASE, INT8, "max_1_minus_cosine", "", gap)
