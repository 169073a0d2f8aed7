"""A transformers model as an ONNX graph, texts' tokens in and unit rows out; on request in static int8."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.checkpoints.weights import Parts
from encoders.core.base import Encoder, EncoderError
from encoders.core.statistics import EncodeStats
from encoders.onnx.encoder import MODEL, TOKEN_BUDGET, TOKENIZER, Tokens

# The first that has attention as one operator; GELU is one since 20.
OPSET = 23
# A text has a tenth of its true neighbours to lose before recommendations show it.
NEIGHBOURS = 10


class Pooled(torch.nn.Module):
    """Ids and mask (B, L) to unit rows (B, dim): the means over the tokens."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return torch.nn.functional.normalize((hidden * weights).sum(dim=1) / weights.sum(dim=1), dim=1)


def export(parts: Parts, folder: Path, about: Mapping[str, str]) -> None:
    """Write model.onnx, in float32, and tokenizer.json. about: goes into the file. Raises EncoderError."""
    onnx = _onnx()
    if not parts.tokenizer.is_fast:
        raise EncoderError(
            "this encoder's tokenizer has no tokenizer.json: choose a model with a fast tokenizer"
        )
    folder.mkdir(parents=True, exist_ok=True)
    model = _graph(parts.model)
    limit = min(int(parts.model.config.max_position_embeddings), int(parts.tokenizer.model_max_length))
    onnx.helper.set_model_props(model, {**about, "max_length": str(limit), "precision": "float32"})
    onnx.save(model, folder / MODEL)
    parts.tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))


def _graph(model: Any) -> Any:
    import onnxscript

    ids = torch.arange(6).reshape(2, 3) + 5
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # of operators of packages that are not here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own use of what torch and onnx deprecate
        program = torch.onnx.export(
            Pooled(model).eval(),
            (ids, mask),
            dynamo=True,
            verbose=False,
            optimize=False,
            input_names=["ids", "mask"],
            output_names=["vectors"],
            dynamic_shapes={"ids": axes, "mask": axes},
            opset_version=OPSET,
            custom_translation_table={torch.ops.aten.scaled_dot_product_attention.default: _attend},
        )
        assert program is not None  # it is none where a file is named
        # Not as the exporter does it, which at this opset also fuses rotary positions, with one text's for all.
        onnxscript.optimizer.optimize(program.model)
    return program.model_proto


def _attend(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,  # none is left where a model is evaluated
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,  # the operator sees it by the heads
) -> Any:
    """Torch's attention, written with rows of all heads side by side, (B, L, heads x size), as the operator can.

    The exporter's own way leaves transposed copies of queries, keys, values and result to be made; here the
    transpositions meet the model's own, and cancel out.
    """
    from onnxscript.onnx_opset import opset23

    op: Any = opset23  # its annotations know no plain lists and numbers, which it takes
    heads, kv_heads = query.shape[1], key.shape[1]
    rows = [op.Reshape(op.Transpose(x, perm=[0, 2, 1, 3]), [0, 0, -1]) for x in (query, key, value)]
    found = op.Attention(
        *rows, attn_mask, is_causal=int(is_causal), q_num_heads=heads, kv_num_heads=kv_heads, scale=scale
    )
    return op.Transpose(op.Reshape(found[0], [0, 0, heads, -1]), perm=[0, 2, 1, 3])


def to_int8(folder: Path, texts: Sequence[str], max_length: int = 256) -> int:
    """Make an exported folder's linear layers static int8, with scales from the texts; returns how many.

    texts: some hundred, such as will be encoded. Raises EncoderError.
    """
    onnx = _onnx()
    from encoders.onnx.int8 import quantize

    if not texts:
        raise EncoderError("int8 needs texts to find its scales from: load a catalog first")
    model = onnx.load(folder / MODEL)
    told = {entry.key: entry.value for entry in model.metadata_props}
    tokens = Tokens(folder / TOKENIZER, min(max_length, int(told["max_length"])), EncodeStats())
    layers = quantize(model, (inputs for _, inputs in tokens.batches(texts, TOKEN_BUDGET)))
    onnx.helper.set_model_props(model, {**told, "precision": "int8"})
    onnx.save(model, folder / MODEL)
    return layers


def kept_neighbours(exact: Encoder, other: Encoder, texts: Sequence[str]) -> tuple[float, float]:
    """Share of each text's 10 nearest other texts that the other encoder has too, and the largest 1 - cos.

    texts: distinct, more than 10. Memory: the square of their number, times 8 bytes.
    """
    one, two = exact.encode(texts), other.encode(texts)
    near = [_nearest(vectors) for vectors in (one, two)]
    shared = [len(set(a) & set(b)) for a, b in zip(near[0].tolist(), near[1].tolist(), strict=True)]
    return float(np.mean(shared)) / NEIGHBOURS, float(1 - (one * two).sum(axis=1).min())


def _nearest(vectors: Any) -> Any:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argpartition(-scores, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]


def _onnx() -> Any:
    try:
        import onnx
        import onnxscript  # noqa: F401  # the exporter is written in it
    except ImportError as error:
        raise EncoderError("exporting needs more packages: run `pip install 'interestflow[onnx]'`") from error
    return onnx
