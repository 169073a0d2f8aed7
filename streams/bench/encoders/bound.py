"""Upper bound of the machine: the time of the model's matrix products alone, measured in the same minute.

A linear layer of i inputs and o outputs takes 2 i o floating-point operations per token, attention over a text of
n tokens 4 n^2 h per layer of width h. Everything else (tokenising, softmax, norms, activations) counts as none.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch

# Rows of a product: about one forward pass of short texts.
ROWS = 1024
REPEATS = 4


def shapes(model: torch.nn.Module) -> Counter[tuple[int, int]]:
    """(inputs, outputs) of the linear layers that every token passes -> how many of them there are."""
    found: Counter[tuple[int, int]] = Counter()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and "pooler" not in name:
            found[module.in_features, module.out_features] += 1
        elif type(module).__name__ == "Conv1D":  # GPT-2's name for a linear layer
            found[tuple(module.weight.shape)] += 1
    return found


def operations(model: torch.nn.Module, config: Any, lengths: Iterable[int]) -> float:
    """Of the matrix products for texts of these token counts; padding counts as none."""
    linear = 2 * sum(i * o * count for (i, o), count in shapes(model).items())
    attention = 4 * config.hidden_size * config.num_hidden_layers
    return float(sum(linear * n + attention * n * n for n in lengths))


def rate(
    model: torch.nn.Module, device: str, dtype: torch.dtype, rows: int = ROWS, repeats: int = REPEATS
) -> float:
    """Operations per second (of CPU time; on a GPU, of wall time) in products of the model's shapes.

    rows: of the left matrix. repeats: of which the fastest counts.
    """
    made = {
        shape: (
            torch.randn(rows, shape[0], device=device, dtype=dtype),
            torch.randn(shape, device=device, dtype=dtype),
        )
        for shape in shapes(model)
    }
    clock = time.process_time if device == "cpu" else time.perf_counter
    best = 0.0
    for _ in range(repeats):
        started, done = clock(), 0.0
        for (i, o), count in shapes(model).items():
            for _ in range(count):
                torch.mm(*made[i, o])
            done += 2.0 * rows * i * o * count
        if device != "cpu":
            torch.cuda.synchronize()
        best = max(best, done / (clock() - started))
    return best
