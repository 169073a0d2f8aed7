"""Static int8 of an ONNX graph's linear layers: 8-bit activations, weights per output channel.

    x W + b ~ s_x (q_x - z_x) (q_W * s_W) + b',   q_x of x / g,   q_W of g W

Static, since scales taken from the batch would give a text another vector in another batch. Only what is multiplied
with constant weights is quantised; attention, normalisation and activations stay in float32.

- Channels of x are balanced before they share one scale s_x: g is the root of each one's range, and the weights take
  it back (Xiao et al., SmoothQuant, ICML 2023). A few channels of a transformer are many times as wide as the others.
- AVX2 adds the products of two neighbouring inputs in 16 bits, which 8-bit weights could overflow; s_W is the
  smallest with which no pair of a column's weights does. So every machine gives the same vectors, of nearly 8 bits.
- b' corrects the mean error that rounding the weights makes (Nagel et al., Data-Free Quantization through Weight
  Equalization and Bias Correction, ICCV 2019).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

# 255 times as much, the largest sum of two products, is the largest that 16 bits hold.
LARGEST_PAIR = 128
# A channel that hardly varied in the texts may elsewhere.
NARROWEST = 1e-3
OPERATORS = "com.microsoft"
TINY = float(np.finfo(np.float32).tiny)

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class Linear:
    """A layer's input and output in the graph, its weights (inputs, outputs) and its bias (outputs,)."""

    source: str
    output: str
    matrix: Floats
    bias: Floats | None = None


@dataclass(slots=True)
class Seen:
    """What the inputs of a linear layer were, over the calibration texts: (width,), of each channel."""

    low: Any = 0.0  # zero is exact, so it lies within
    high: Any = 0.0
    total: Any = 0.0
    rows: int = 0

    def take(self, rows: Floats) -> None:
        """rows: (tokens, width)."""
        self.low = np.minimum(self.low, rows.min(axis=0))
        self.high = np.maximum(self.high, rows.max(axis=0))
        self.total = self.total + rows.sum(axis=0, dtype=np.float64)
        self.rows += len(rows)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.total / self.rows)

    @property
    def balance(self) -> Floats:
        """What each channel is divided by."""
        reach = np.maximum(-self.low, self.high)
        return np.asarray(np.sqrt(np.maximum(reach, max(NARROWEST * reach.max(), TINY))), dtype=np.float32)


def quantize(model: onnx.ModelProto, batches: Iterable[Mapping[str, npt.NDArray[np.int64]]]) -> int:
    """Change the model in place; returns how many layers are int8 now.

    batches: of calibration texts, at least one, inputs `ids` and `mask` (B, L); padding is not looked at.
    """
    graph = model.graph
    layers = _linear(graph)
    seen = _observe(model, list(dict.fromkeys(layer.source for layer in layers.values())), batches)
    nodes: list[Any] = []
    done: set[str] = set()
    for node in graph.node:
        layer = layers.get(node.output[0])
        if layer is None:
            nodes.append(node)
        elif node.op_type == "MatMul":
            if layer.source not in done:
                nodes += _activations(graph, layer.source, seen[layer.source])
                done.add(layer.source)
            nodes.append(_integer(graph, layer, seen[layer.source]))
    _quicken(node for node in nodes if node.op_type == "Gelu" and node.output[0] in seen)
    _replace(graph.node, nodes)
    used = {name for node in nodes for name in node.input}
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])
    if all(opset.domain != OPERATORS for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(OPERATORS, 1))
    return len({id(layer) for layer in layers.values()})


def _linear(graph: Any) -> dict[str, Linear]:
    """The linear layers, each by the outputs of its nodes: the MatMul's, and the Add's of its bias."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    users = Counter(name for node in graph.node for name in node.input)
    found: dict[str, Linear] = {}
    for node in graph.node:
        tensors = [constants[name] for name in node.input if name in constants]
        if node.op_type == "MatMul" and tensors and len(tensors[0].dims) == 2 and node.input[1] in constants:
            matrix = numpy_helper.to_array(tensors[0])
            found[node.output[0]] = Linear(node.input[0], node.output[0], matrix)
        elif node.op_type == "Add" and tensors and len(tensors[0].dims) == 1:
            layer = next((found[name] for name in node.input if name in found and users[name] == 1), None)
            # A second constant that is added stays where it is.
            if layer is not None and layer.bias is None:
                layer.bias, layer.output = numpy_helper.to_array(tensors[0]), node.output[0]
                found[node.output[0]] = layer
    return found


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


def _activations(graph: Any, source: str, seen: Seen) -> list[Any]:
    """The nodes that make the inputs of linear layers 8-bit; their constants go into the graph."""
    balanced, quantized = f"{source}.balanced", f"{source}.int8"
    low, high = float((seen.low / seen.balance).min()), float((seen.high / seen.balance).max())
    step = max((high - low) / 255, TINY)
    _put(graph, f"{balanced}.by", 1 / seen.balance)
    _put(graph, f"{quantized}.scale", np.float32(step))
    _put(graph, f"{quantized}.zero", np.uint8(round(-low / step)))
    inputs = [balanced, f"{quantized}.scale", f"{quantized}.zero"]
    return [
        helper.make_node("Mul", [source, f"{balanced}.by"], [balanced]),
        helper.make_node("QuantizeLinear", inputs, [quantized]),
    ]


def _integer(graph: Any, layer: Linear, seen: Seen) -> Any:
    """The node that takes the place of a layer's; its constants go into the graph."""
    matrix = layer.matrix * seen.balance[:, None]
    rounded, scale = round_weights(matrix)
    wrong = (seen.mean / seen.balance) @ (matrix - rounded * scale)
    bias = wrong if layer.bias is None else layer.bias + wrong
    name, quantized = layer.output, f"{layer.source}.int8"
    _put(graph, f"{name}.weights", rounded)
    _put(graph, f"{name}.scale", scale)
    _put(graph, f"{name}.bias", bias.astype(np.float32))
    inputs = [quantized, f"{name}.weights", f"{quantized}.scale", f"{name}.scale"]
    inputs += [f"{quantized}.zero", "", f"{name}.bias"]
    return helper.make_node("MatMulIntegerToFloat", inputs, [name], domain=OPERATORS)


def round_weights(matrix: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Weights (inputs, outputs) as int8 and each output's scale.

    Of inputs 2i and 2i + 1 neither the positive nor the negative weights of an output add up to more than 128.
    """
    even = np.pad(matrix, ((0, len(matrix) % 2), (0, 0)))
    pairs = even.reshape(-1, 2, even.shape[1])
    sums = [np.maximum(sign * pairs, 0).sum(axis=1).max(axis=0) for sign in (1, -1)]
    # Rounding adds at most a half to each weight.
    scale = np.maximum(np.maximum(*sums), TINY) / (LARGEST_PAIR - 1)
    return np.round(matrix / scale).astype(np.int8), scale.astype(np.float32)


def _quicken(gelus: Iterable[Any]) -> None:
    """Take GELU's approximation by tanh: off by less than 0.0005, in little more than half the time."""
    for node in gelus:
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("approximate", "tanh"))


def _put(graph: Any, name: str, value: Any) -> None:
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def _replace(field: Any, content: list[Any]) -> None:
    kept = [type(each).FromString(each.SerializeToString()) for each in content]
    del field[:]
    field.extend(kept)
