"""Results that are kept in a folder: what was judged once is read again while data, settings and code are the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from streams.history.evaluate.judged import Judged

# Digits of a fingerprint in a file's name.
DIGITS = 16
# The field of `Judged` that is no array.
KINDS = "kinds"


@dataclass(frozen=True, slots=True)
class Question:
    """What was judged, of which all must be the same for a result to be read again.

    name: of the contender. asked: data, task, settings and whatever else decides the result, by name. code: the
    fingerprint of the source that was run.
    """

    name: str
    asked: Mapping[str, Any]
    code: str

    def prefix(self) -> str:
        """The beginning of the names of all files that answer this, whatever the code."""
        text = json.dumps(dict(self.asked), sort_keys=True, default=str)
        return f"{self.name}-{fingerprint(text.encode())}"


def fingerprint(*parts: bytes) -> str:
    """The same for the same bytes in the same order."""
    found = blake2b(digest_size=DIGITS // 2)
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


class Kept:
    """The results of one folder, one file each."""

    def __init__(self, folder: Path) -> None:
        """The folder is made with the first result."""
        self._folder = folder

    def find(self, question: Question) -> tuple[Judged, Mapping[str, Any]] | None:
        """What was judged, and the parameters that it had; None where that is not kept, or the file is damaged."""
        try:
            with np.load(self._path(question), allow_pickle=False) as stored:
                values = {field.name: stored[field.name] for field in fields(Judged) if field.name != KINDS}
                kinds, parameters = (json.loads(str(stored[name])) for name in (KINDS, "parameters"))
        except (OSError, BadZipFile, ValueError, KeyError, EOFError):
            return None
        plain = {name: value if value.ndim else value.item() for name, value in values.items()}
        return Judged(**plain, kinds=kinds), parameters

    def put(self, question: Question, judged: Judged, parameters: Mapping[str, Any]) -> None:
        """Keep it, in place of what other code had said. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        values: dict[str, Any] = {
            field.name: np.asarray(getattr(judged, field.name))
            for field in fields(Judged)
            if field.name != KINDS
        }
        words = {KINDS: dict(judged.kinds), "parameters": dict(parameters)}
        values |= {name: np.asarray(json.dumps(content)) for name, content in words.items()}
        path = self._path(question)
        # Whoever ends this meanwhile leaves no half a file under the name.
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **values)
        unfinished.replace(path)
        for other in self._folder.glob(f"{question.prefix()}-*.npz"):
            if other != path:
                other.unlink(missing_ok=True)

    def _path(self, question: Question) -> Path:
        return self._folder / f"{question.prefix()}-{question.code}.npz"
