"""A file of what was fitted: safetensors, with what it is and of which version in its header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

T = TypeVar("T")
Tensors = Mapping[str, npt.NDArray[Any]]
About = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FittedFile:
    """A kind of file. format: its name in the header; name: for people; verb: of `interestflow fit`, which makes one;
    error: what is raised."""

    format: str
    name: str
    verb: str
    error: type[Exception]

    def save(self, path: Path, tensors: Tensors, version: str, about: About) -> None:
        """about: what the header says beside format and version."""
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        # Not by safetensors' own `save_file`, whose files only their owner may read: workers run as somebody else.
        path.write_bytes(save(whole, metadata={"format": self.format, "version": version, **about}))

    def load(self, path: Path, build: Callable[[Tensors, About], T], version: Callable[[T], str]) -> T:
        """What `build` makes of tensors and header. version: of what was made, which must be the header's.

        Raises `error` where the file is missing, damaged or of another kind.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                if about.get("format") != self.format:
                    raise self._wrong(path, f"is no {self.name}")
                made = build({name: file.get_tensor(name) for name in file.keys()}, about)  # noqa: SIM118  # no dict
        except FileNotFoundError as error:
            raise self._wrong(path, "does not exist") from error
        except self.error:
            raise
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise self._wrong(path, f"cannot be read ({error})") from error
        if version(made) != about.get("version"):
            raise self._wrong(path, "is damaged: its content does not match its version")
        return made

    def _wrong(self, path: Path, what: str) -> Exception:
        return self.error(
            f"{self.name} file {path} {what}: make it with `interestflow fit {self.verb} --output {path}`"
        )
