"""What all encoders that run a transformers model do alike: choose a device, load, and tell weights apart."""

from __future__ import annotations

import logging
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from encoders.base import EncoderError

log = logging.getLogger(__name__)


def choose(device: str, threads: int | None = None) -> tuple[str, torch.dtype]:
    """The device (`auto`: the GPU where there is one) and what it computes in: bfloat16, on the CPU float32.

    threads: CPU threads of torch in this process.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if threads is not None and device == "cpu":
        torch.set_num_threads(threads)
    return device, torch.float32 if device == "cpu" else torch.bfloat16


def load_part(kind: Any, where: str, revision: str | None, setting: str, **options: Any) -> Any:
    """A part of a model (one of transformers' Auto classes), no code of the model's own run. Raises EncoderError.

    revision: a commit, where the model is a name and no folder. setting: what the error tells to set.
    """
    if revision and not Path(where).is_dir():
        options["revision"] = revision
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # theirs has no annotations
    try:
        return kind.from_pretrained(where, trust_remote_code=False, **options)
    except Exception as error:  # transformers raises whatever its parts do
        raise EncoderError(
            f"cannot load {where!r}: {str(error)[:300]}. Set {setting} to a local folder with config.json, the "
            f"processor's files and model.safetensors, or to a model name that is reachable"
        ) from error


def load_model(kind: Any, where: str, revision: str | None, setting: str, dtype: torch.dtype) -> Any:
    """A model with all its weights, from safetensors only, in evaluation mode on the CPU. Raises EncoderError."""
    options = {"use_safetensors": True, "dtype": dtype, "output_loading_info": True}
    model, found = load_part(kind, where, revision, setting, **options)
    if found["missing_keys"]:  # transformers would draw them at random
        lacking = ", ".join(sorted(found["missing_keys"])[:3])
        raise EncoderError(
            f"the weights of {where!r} lack {lacking}: get the model anew, or set {setting} to another"
        )
    commit = getattr(model.config, "_commit_hash", None)
    if commit and revision is None:
        log.warning("set %s_REVISION to %s to stay with this %s", setting, commit, where)
    return model.eval()


def digest(model: Any, *decisive: object) -> str:
    """Hash of the weights and of what else decides what comes out."""
    hashed = blake2b(digest_size=8)
    for name, tensor in sorted(model.state_dict().items()):
        hashed.update(name.encode())
        hashed.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    hashed.update("\n".join(map(str, decisive)).encode())
    return hashed.hexdigest()
