"""What a ranker has learned, as arrays by name: stepped, summed for others, merged, kept as bytes.

A step is AdaGrad's: the sum of squared gradients g^2 of each number grows, and the number moves by
rate * g / sqrt(that sum). Whoever shares parameters sends sums of gradients and of squares; merged, they are one
step of all of them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streams.recommend.base import Floats
from streams.settings.errors import UserError

# Begins every file of parameters; the number behind it is the version of the format.
MAGIC, FORMAT = b"IFRK", 1
HEAD = struct.Struct("<4sHI")
# Of a number that no gradient has met.
FIRST = np.float32(1e-8)
GRADIENT, SQUARES = ".gradient", ".squares"
# No worker comes so far; a float64, such as a metric's value, has it exactly.
LARGEST_VERSION = 2**53
# What damaged bytes may raise where they are read.
DAMAGED = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)


class ParametersError(UserError):
    """These bytes hold no parameters that this version reads."""


class Parameters:
    """Numbers that learn. version: steps and merges so far. Not thread-safe."""

    def __init__(self, start: Mapping[str, Floats], rates: Mapping[str, float]) -> None:
        """rates: by name, how far a number moves at its first step. Arrays are copied."""
        self.values = {name: np.array(value, dtype=np.float32) for name, value in start.items()}
        self.rates = {name: float(rates[name]) for name in self.values}
        self.squares = {name: np.zeros_like(value) for name, value in self.values.items()}
        self.version = 0
        self._forget()

    def step(self, gradients: Mapping[str, tuple[int | slice, Floats]]) -> None:
        """Move by the gradient of one answer. gradients: by name, which part of the array, and its gradient."""
        for name, (part, gradient) in gradients.items():
            square = gradient * gradient
            self._gradient[name][part] += gradient
            self._square[name][part] += square
            self._move(name, part, gradient, square)
        self.version += 1
        self._answers += 1

    @property
    def pending(self) -> int:
        """Answers that were learned from since the last `gradient_sums`."""
        return self._answers

    def gradient_sums(self) -> dict[str, Floats]:
        """Sums since the last call, for `merge` elsewhere: gradients and their squares by name."""
        found = {name + GRADIENT: value for name, value in self._gradient.items()}
        found |= {name + SQUARES: value for name, value in self._square.items()}
        self._forget()
        return found

    def merge(self, sums: Mapping[str, Floats]) -> None:
        """Take what others have learned, as `gradient_sums` gives it. Raises ParametersError on other shapes."""
        for name, value in self.values.items():
            for kind in (GRADIENT, SQUARES):
                if name + kind not in sums or sums[name + kind].shape != value.shape:
                    raise ParametersError(
                        f"the sums to merge have no {name + kind} of the shape {value.shape}: they are of a ranker "
                        f"with other columns"
                    )
        for name in self.values:
            self._move(name, slice(None), sums[name + GRADIENT], sums[name + SQUARES])
        self.version += 1

    def adopt(self, other: Parameters) -> None:
        """Become the other, newer parameters, with what was learned since the last `gradient_sums` on top of them."""
        pending = self._answers > 0
        for name, value in self.values.items():
            value[...], self.squares[name][...] = other.values[name], other.squares[name]
            if pending:
                self._move(name, slice(None), self._gradient[name], self._square[name])
        self.version = other.version + self._answers

    def _move(self, name: str, part: int | slice, gradient: Floats, square: Floats) -> None:
        squares = self.squares[name]
        squares[part] += square
        self.values[name][part] -= np.float32(self.rates[name]) * gradient / np.sqrt(squares[part] + FIRST)

    def _forget(self) -> None:
        self._gradient = {name: np.zeros_like(value) for name, value in self.values.items()}
        self._square = {name: np.zeros_like(value) for name, value in self.values.items()}
        self._answers = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """Parameters as they are kept. kind: of the ranker. columns: names of the columns, an axis of some arrays."""

    kind: str
    version: int
    columns: tuple[str, ...]
    values: Mapping[str, Floats]
    squares: Mapping[str, Floats]

    def require_sound(self) -> None:
        """Raises ParametersError where a number is not finite, or a sum of squares is below 0."""
        numbers = (*self.values.values(), *self.squares.values())
        if not all(np.isfinite(array).all() for array in numbers):
            raise ParametersError("the ranker's parameters are not finite")
        if any((array < 0).any() for array in self.squares.values()):
            raise ParametersError("the ranker's parameters have sums of squares below 0")

    def to_bytes(self) -> bytes:
        """MAGIC, format and length of the header as HEAD; the header in JSON; the arrays, little-endian float32."""
        arrays = [(name, kept[name]) for name in self.values for kept in (self.values, self.squares)]
        header = {
            "kind": self.kind,
            "version": self.version,
            "columns": self.columns,
            "arrays": [[name, self.values[name].shape] for name in self.values],
        }
        text = json.dumps(header, separators=(",", ":")).encode()
        body = b"".join(np.ascontiguousarray(array, dtype="<f4").tobytes() for _, array in arrays)
        return HEAD.pack(MAGIC, FORMAT, len(text)) + text + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Stored:
        """Raises ParametersError, which says what is wrong."""
        if len(data) < HEAD.size or not data.startswith(MAGIC):
            raise ParametersError("these are no parameters of a ranker: they begin otherwise")
        _, form, length = HEAD.unpack_from(data)
        if form != FORMAT:
            raise ParametersError(f"the ranker's parameters have format {form}, this version reads {FORMAT}")
        try:
            header = json.loads(data[HEAD.size : HEAD.size + length])
            shapes = {str(name): tuple(map(int, shape)) for name, shape in header["arrays"]}
            arrays = _arrays(
                data[HEAD.size + length :], [shape for shape in shapes.values() for _ in range(2)]
            )
            values, squares = (
                dict(zip(shapes, arrays[::2], strict=True)),
                dict(zip(shapes, arrays[1::2], strict=True)),
            )
            columns = tuple(map(str, header["columns"]))
            if not 0 <= (version := int(header["version"])) <= LARGEST_VERSION:
                raise ValueError(f"version {str(version)[:24]}")
            return cls(str(header["kind"]), version, columns, values, squares)
        except DAMAGED as error:
            raise ParametersError(f"the ranker's parameters are damaged: {error}") from error


def _arrays(body: bytes, shapes: Sequence[tuple[int, ...]]) -> list[Floats]:
    numbers = np.frombuffer(body, dtype="<f4").astype(np.float32)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    if len(numbers) != (ends[-1] if len(ends) else 0):
        raise ValueError(f"they hold {len(numbers)} numbers")
    return [part.reshape(shape) for part, shape in zip(np.split(numbers, ends[:-1]), shapes, strict=True)]
