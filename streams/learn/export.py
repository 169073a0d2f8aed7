"""Exports the deployment's encoder to ONNX Runtime, and measures the neighbours that int8 loses."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoders.checkpoints.weights import load_parts
from encoders.core.base import Encoder, EncoderError, identity
from encoders.onnx.encoder import PREFIX
from encoders.onnx.export import NEIGHBOURS, export, kept_neighbours, to_int8
from streams.learn import topic_contents
from streams.learn.pairs import spread
from streams.learn.training_data import from_dataset
from streams.settings.sections.encoder import EncoderSettings
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import UNHEEDED, build_raw_encoder

# Texts for calibration, and others on which the result is measured.
CALIBRATION, MEASURED = 512, 2_000
# Texts on which the exported encoder is compared, and how far apart (1 - cos) the vectors may be.
PROBE = ("mug", "a steel kettle with a whistle", "Chai: " + "black tea with milk, cinnamon and cardamom " * 8)
SAME = 1e-4
# Settings that an exported encoder ignores.
PLAIN = {"pooling": "auto", **dict.fromkeys(UNHEEDED)}


@dataclass(frozen=True, slots=True)
class Exported:
    """recall: share of the exact encoder's 10 nearest neighbours that int8 keeps. furthest: largest 1 - cos."""

    revision: str
    layers: int = 0
    recall: float = 1.0
    furthest: float = 0.0

    def __str__(self) -> str:
        if not self.layers:
            return f"revision {self.revision}, float32"
        return (
            f"revision {self.revision}, int8 in {self.layers} layers, neighbour_recall_at_{NEIGHBOURS}="
            f"{self.recall:.4f} max_1_minus_cos={self.furthest:.5f}"
        )


def item_texts(settings: Settings, dataset: tuple[str, Path] | None) -> list[str]:
    """Distinct texts of the catalog topic, or of a data set. Raises ReadError, DatasetError."""
    texts = from_dataset(*dataset).texts if dataset else topic_contents.texts(settings)
    return sorted({text for text in texts.values() if text})


def export_onnx(options: EncoderSettings, output: Path, texts: Sequence[str] | None = None) -> Exported:
    """Write the encoder of the settings into a folder; with distinct texts, in int8. Raises EncoderError."""
    _require_exportable(options, output)
    if texts is not None and len(texts) < 4 * NEIGHBOURS:
        raise EncoderError(
            f"{len(texts)} texts are too few for int8: load a catalog of {4 * NEIGHBOURS} first"
        )
    base = build_raw_encoder(options)
    output.parent.mkdir(parents=True, exist_ok=True)
    # Made in full elsewhere and then moved, so that there is never half a model.
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as temporary:
        folder = Path(temporary) / output.name
        export(load_parts(options.name, options.revision), folder, {"base": identity(base)})
        made = options.model_copy(update={"name": f"{PREFIX}{folder}", **PLAIN})
        new = build_raw_encoder(made)
        _require_same(base, new)
        layers, kept = 0, (1.0, 0.0)
        if texts is not None:
            layers = to_int8(folder, spread(texts[1::2], CALIBRATION), options.max_tokens)
            new = build_raw_encoder(made)
            kept = kept_neighbours(base, new, spread(texts[::2], MEASURED))
        folder.rename(output)
    return Exported(new.revision, layers, *kept)


def _require_exportable(options: EncoderSettings, output: Path) -> None:
    """Raises SettingsError where there is nothing to export, or no place for it."""
    if options.name == "hashing" or options.name.startswith(PREFIX):
        raise SettingsError(
            f"INTERESTFLOW_ENCODER={options.name} cannot be exported: set it to `demo`, a folder or a name"
        )
    if output.exists():
        raise SettingsError(f"{output} exists already: give --output a folder that is to be made")


def _require_same(base: Encoder, new: Encoder) -> None:
    """Raises EncoderError where the graph gives other vectors: it lacks a pooling, prompt or dimensions."""
    same = base.dim == new.dim
    if same:
        cosines = np.einsum("nd,nd->n", base.encode(PROBE), new.encode(PROBE))
        same = float(cosines.min()) > 1 - SAME
    if not same:
        raise EncoderError(
            "what would be exported gives other vectors than the encoder does: only the mean over the tokens, without "
            "a prompt and with all dimensions, can be exported; choose a model and settings "
            "(INTERESTFLOW_ENCODER_POOLING, _PROMPT, _PROMPT_NAME, _TRUNCATE_DIM) that want no more"
        )
