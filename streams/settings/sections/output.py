"""What a worker publishes, and where."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from streams.settings.registries import SINKS
from streams.settings.section import CommaSeparated, Section


class OutputSettings(Section):
    """How vectors are written, and the destinations of vectors and recommendations."""

    # base64: little-endian float32 in JSON; array: JSON numbers, for readers without a decoder; f4le, f2le: the bare
    # floats, of four or two bytes, and the rest in headers. f2le changes each number by at most 0.05 %.
    vector_format: Literal["base64", "array", "f4le", "f2le"] = "base64"
    # batch: one vector per batch and user whom it moved; event: one per event that moved its user, for readers who need
    # each step. It costs about half as much again per event.
    vectors_per: Literal["batch", "event"] = "batch"
    # Where vectors and recommendations go: `kafka` (their topics, which audit and replay read), and the destinations of
    # installed packages. A batch is acknowledged when all of them have it.
    destinations: Annotated[CommaSeparated, AfterValidator(SINKS.require_all)] = ("kafka",)

    @model_validator(mode="after")
    def _check_destinations(self) -> Self:
        if "kafka" not in self.destinations:
            raise ValueError("destinations: kafka must be one of them, for audit and replay read its topics")
        if self.vector_format in ("f4le", "f2le") and set(self.destinations) != {"kafka"}:
            raise ValueError(
                f"vector_format: {self.vector_format} is for kafka alone, since rows of other destinations are JSON; "
                "choose base64 or array"
            )
        return self
