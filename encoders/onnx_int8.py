"""Static int8 of an ONNX graph's linear layers: 8-bit activations, 7-bit weights per output channel.

    x W ~ s_x (q_x - z_x) (q_W * s_W),   s_x, z_x from calibration texts, s_W = max|W_column| / 64

Static, since scales taken from the batch would give a text another vector in another batch. Only what is
multiplied with constant weights is quantised; attention, normalisation and activations stay in float32. Weights
have 7 bits because AVX2 adds two products in 16 bits, which 8-bit weights overflow; so every machine gives the same
vectors. Each layer's output is corrected by the mean error that rounding its weights makes (Nagel et al.,
Data-Free Quantization through Weight Equalization and Bias Correction, ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

LARGEST_WEIGHT = 64
OPERATORS = "com.microsoft"


@dataclass(slots=True)
class Seen:
    """What the inputs of a linear layer were, over the calibration texts. mean: (width,) of each channel."""

    low: float = 0.0  # zero is exact, so it lies within
    high: float = 0.0
    total: Any = 0.0
    rows: int = 0

    def take(self, rows: npt.NDArray[np.float32]) -> None:
        """rows: (tokens, width)."""
        self.low, self.high = min(self.low, float(rows.min())), max(self.high, float(rows.max()))
        self.total = self.total + rows.sum(axis=0, dtype=np.float64)
        self.rows += len(rows)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.total / self.rows)


def quantize(model: onnx.ModelProto, batches: Iterable[Mapping[str, npt.NDArray[np.int64]]]) -> int:
    """Change the model in place; returns how many layers are int8 now.

    batches: of calibration texts, at least one, inputs `ids` and `mask` (B, L); padding is not looked at.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    linear = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in constants]
    seen = _observe(model, list(dict.fromkeys(node.input[0] for node in linear)), batches)
    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:
            nodes += _integer(graph, node, constants[node.input[1]], seen)
        else:
            nodes.append(node)
    _replace(graph.node, nodes)
    used = {name for node in nodes for name in node.input}
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])
    if all(opset.domain != OPERATORS for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(OPERATORS, 1))
    return len(linear)


def _observe(
    model: onnx.ModelProto, names: list[str], batches: Iterable[Mapping[str, npt.NDArray[np.int64]]]
) -> dict[str, Seen]:
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = {name: Seen() for name in names}
    for batch in batches:
        real = batch["mask"].astype(bool).reshape(-1)
        for name, found in zip(names, session.run(names, dict(batch)), strict=True):
            seen[name].take(found.reshape(len(real), -1)[real])
    return seen


def _integer(graph: Any, node: Any, weights: Any, seen: Mapping[str, Seen]) -> list[Any]:
    """The nodes that take the place of one MatMul; their constants go into the graph."""
    source, name = node.input[0], node.output[0]
    matrix = numpy_helper.to_array(weights)
    scale = np.maximum(np.abs(matrix).max(axis=0), np.finfo(np.float32).tiny) / LARGEST_WEIGHT
    rounded = np.round(matrix / scale)
    quantized = f"{source}.int8"
    nodes = []
    if all(tensor.name != f"{quantized}.scale" for tensor in graph.initializer):
        low, high = seen[source].low, seen[source].high
        step = max((high - low) / 255, float(np.finfo(np.float32).tiny))
        _put(graph, f"{quantized}.scale", np.float32(step))
        _put(graph, f"{quantized}.zero", np.uint8(round(-low / step)))
        inputs = [source, f"{quantized}.scale", f"{quantized}.zero"]
        nodes.append(helper.make_node("QuantizeLinear", inputs, [quantized]))
    _put(graph, f"{name}.weights", rounded.astype(np.int8))
    _put(graph, f"{name}.scale", scale.astype(np.float32))
    _put(graph, f"{name}.zero", np.zeros(len(scale), dtype=np.int8))
    _put(graph, f"{name}.bias", (seen[source].mean @ (matrix - rounded * scale)).astype(np.float32))
    inputs = [quantized, f"{name}.weights", f"{quantized}.scale", f"{name}.scale"]
    inputs += [f"{quantized}.zero", f"{name}.zero", f"{name}.bias"]
    return [*nodes, helper.make_node("MatMulIntegerToFloat", inputs, [name], domain=OPERATORS)]


def _put(graph: Any, name: str, value: Any) -> None:
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def _replace(field: Any, content: list[Any]) -> None:
    kept = [type(each).FromString(each.SerializeToString()) for each in content]
    del field[:]
    field.extend(kept)
