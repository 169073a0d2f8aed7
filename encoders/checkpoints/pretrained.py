"""What all encoders that run a transformers model do alike: find it, load it, choose a device, tell weights apart.

A model is a local folder, or a name, of a pinned commit or else of the newest. Weights are read from safetensors
only, all of them, and no code of a model's own is run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from encoders.core.base import EncoderError

log = logging.getLogger(__name__)

# Tokenising runs in the encoder's own thread; the library's thread pool would only fight for its core.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Weights in other formats, of other precision, and copies for other engines, stay where they are.
WANTED = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md")
UNWANTED = ("onnx/*", "openvino/*", "*.fp16*", "*.fp32*")


@dataclass(frozen=True, slots=True)
class Setting:
    """What names a model, for errors to tell of. words: what it may be set to beside a model."""

    name: str
    words: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """A sentence."""
        words = "".join(f"`{word}`, " for word in self.words)
        return (
            f"Set {self.name} to {words}a local folder with config.json, the files of the tokenizer or processor and "
            f"model.safetensors, or the name of a model that is reachable"
        )


def find(model: str, revision: str | None, setting: Setting) -> Path:
    """The model's folder; a named model's is downloaded, or taken from the hub's cache. Raises EncoderError."""
    if Path(model).is_dir():
        return Path(model)
    try:
        found = snapshot_download(
            model, revision=revision, allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED)
        )
    except Exception as error:  # the hub's, its cache's and the network's
        raise EncoderError(
            f"there is no folder {model!r}, and no model of that name was found: {_said(error)}. {setting.advice}"
        ) from error
    folder = Path(found)  # named by the commit
    if revision is None:
        log.warning("set %s_REVISION to %s to stay with this %s", setting.name, folder.name, model)
    return folder


def load_part(kind: Any, folder: Path, setting: Setting, **options: Any) -> Any:
    """A part of a model (one of transformers' Auto classes). Raises EncoderError."""
    if not (folder / "config.json").is_file():
        raise EncoderError(f"{folder} holds no model, for it has no config.json. {setting.advice}")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # theirs has no annotations
    try:
        return kind.from_pretrained(folder, trust_remote_code=False, **options)
    except Exception as error:  # transformers raises whatever its parts do
        raise EncoderError(f"{_why(folder, error)}. {setting.advice}") from error


def load_tokenizer(folder: Path, setting: Setting) -> Any:
    """A tokenizer with its vocabulary. Raises EncoderError."""
    tokenizer = load_part(AutoTokenizer, folder, setting)
    # Where a folder has no vocabulary, transformers makes a tokenizer that knows no word.
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise EncoderError(f"{folder} has no vocabulary (tokenizer.json, as a rule). {setting.advice}")
    return tokenizer


def load_model(
    kind: Any, folder: Path, setting: Setting, dtype: torch.dtype, unused: tuple[str, ...] = ()
) -> Any:
    """A model with all its weights, in evaluation mode on the CPU. Raises EncoderError.

    unused: beginnings of the names of weights that nobody asks for, so that they may be missing.
    """
    if not any(folder.glob("*.safetensors")):
        raise EncoderError(
            f"{folder} has no weights in safetensors, the only format that is read. {setting.advice}"
        )
    options = {"use_safetensors": True, "dtype": dtype, "output_loading_info": True}
    model, found = load_part(kind, folder, setting, **options)
    if missing := sorted(name for name in found["missing_keys"] if not name.startswith(unused)):
        # transformers has drawn them at random.
        raise EncoderError(
            f"{folder} holds no whole {type(model).__name__}: its weights lack {', '.join(missing[:3])}. Get the "
            f"model anew, or set {setting.name} to one that was trained as such"
        )
    return model.eval()


def choose(device: str, threads: int | None = None) -> tuple[str, torch.dtype]:
    """The device (`auto`: the GPU where there is one) and what it computes in: bfloat16, on the CPU float32.

    threads: CPU threads of torch in this process.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if threads is not None and device == "cpu":
        torch.set_num_threads(threads)
    return device, torch.float32 if device == "cpu" else torch.bfloat16


def digest(model: Any, *decisive: object) -> str:
    """Hash of the weights and of what else decides what comes out."""
    hashed = blake2b(digest_size=8)
    for name, tensor in sorted(model.state_dict().items()):
        hashed.update(name.encode())
        hashed.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    hashed.update("\n".join(map(str, decisive)).encode())
    return hashed.hexdigest()


def _why(folder: Path, error: Exception) -> str:
    if any(isinstance(cause, ImportError) for cause in _causes(error)):
        return (
            f"{folder} takes a package that is not installed ({_said(error)}): install it; for a tokenizer of "
            f"SentencePiece, `pip install sentencepiece protobuf`"
        )
    if "trust_remote_code" in str(error):
        return f"{folder} needs code of its own, which is never run"
    return f"cannot load {folder}: {_said(error)}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
