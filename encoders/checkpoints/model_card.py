"""What a model's folder says of how it is meant to be used, as sentence-transformers writes it.

modules.json lists the parts, `1_Pooling/config.json` the pooling, sentence_bert_config.json the longest text,
config_sentence_transformers.json the prompts and the dimensions to keep. A folder may have none of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from encoders.core.base import EncoderError

# sentence-transformers' names -> ours. The mean over the square root of the length points where the mean does.
POOLINGS = {
    "cls": "cls",
    "cls_token": "cls",
    "max": "max",
    "max_tokens": "max",
    "mean": "mean",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean",
    "weightedmean": "weighted",
    "weightedmean_tokens": "weighted",
    "lasttoken": "last",
}
PARTS = {"Transformer", "Pooling", "Normalize"}
MATRYOSHKA_KEYS = ("matryoshka_dims", "matryoshka_dimensions")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """transformer: the folder of weights and tokenizer. pooling: None where none is named. max_length: tokens, or
    None. prompts: name -> prefix. truncate_dim: dimensions kept unless told otherwise. matryoshka: whether leading
    dimensions alone make a vector, and matryoshka_dims which numbers of them, where that is said."""

    transformer: Path
    pooling: str | None = None
    pools_prompt: bool = True
    max_length: int | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    truncate_dim: int | None = None
    matryoshka: bool = False
    matryoshka_dims: tuple[int, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> ModelCard:
        """Raises EncoderError for parts that would be left out in silence, and for files that are no JSON."""
        parts = {str(part["type"]).rpartition(".")[2]: str(part["path"]) for part in _listed(folder)}
        if parts.keys() - PARTS:
            raise EncoderError(
                f"{folder.name} has parts that are not supported ({', '.join(sorted(parts.keys() - PARTS))}): "
                f"choose a model of {', '.join(sorted(PARTS))} only"
            )
        transformer = folder / parts.get("Transformer", "")
        pooling = _json(folder / parts["Pooling"] / "config.json") if "Pooling" in parts else {}
        limits = _json(transformer / "sentence_bert_config.json")
        if limits.get("do_lower_case"):
            raise EncoderError(f"{folder.name} wants lower-cased texts (do_lower_case): choose another model")
        usage = _json(folder / "config_sentence_transformers.json")
        dims = _matryoshka_dims(usage, _json(transformer / "config.json"))
        return cls(
            transformer=transformer,
            pooling=_pooling(pooling, folder.name) if pooling else None,
            pools_prompt=bool(pooling.get("include_prompt", True)),
            max_length=limits.get("max_seq_length"),
            prompts=dict(usage.get("prompts") or {}),
            default_prompt=usage.get("default_prompt_name"),
            truncate_dim=usage.get("truncate_dim"),
            matryoshka=bool(dims or usage.get("truncate_dim")) or _praises_matryoshka(folder / "README.md"),
            matryoshka_dims=dims,
        )

    def prompt(self, text: str | None, name: str | None) -> str:
        """What is put before every text: the one given, the one named, or the model's default.

        Raises EncoderError.
        """
        if text is not None:
            return text
        name = name if name is not None else self.default_prompt
        if name is None:
            return ""
        if name not in self.prompts:
            known = ", ".join(sorted(self.prompts)) or "none"
            raise EncoderError(
                f"the model has no prompt {name!r} (it has: {known}): name one, or give its text"
            )
        return self.prompts[name]

    def dimensions(self, hidden_size: int, wanted: int | None) -> int:
        """Leading dimensions that are kept (Kusupati et al., Matryoshka Representation Learning, NeurIPS 2022).

        Raises EncoderError where the model was not trained for that.
        """
        dim = wanted or self.truncate_dim or hidden_size
        allowed: Sequence[int] = self.matryoshka_dims or range(1, hidden_size + 1)
        if dim != hidden_size and not (self.matryoshka and dim in allowed):
            said = (
                f"trained only for {_said(allowed)}" if self.matryoshka else "not said to be trained for that"
            )
            raise EncoderError(
                f"cannot keep {dim} of the model's {hidden_size} dimensions: it is {said}. Leave the number out, and "
                f"fit a projection for fewer dimensions"
            )
        return dim


def _said(dims: Sequence[int]) -> str:
    return f"{dims[0]} to {dims[-1]}" if isinstance(dims, range) else str(list(dims))


def _listed(folder: Path) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = _json(folder / "modules.json") or []  # type: ignore[assignment]  # the one list
    return parts


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderError(f"{path.name} of the model is no JSON ({error}): get the model anew") from error
    return content


def _pooling(config: dict[str, Any], model: str) -> str:
    said = config.get("pooling_mode") or [
        key.removeprefix("pooling_mode_")
        for key, value in config.items()
        if value is True and "_mode_" in key
    ]
    modes = [said] if isinstance(said, str) else list(said)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise EncoderError(
            f"{model} pools by {modes or 'nothing'}: choose a model that pools by one of {list(POOLINGS)}"
        )
    return POOLINGS[modes[0]]


def _matryoshka_dims(*configs: dict[str, Any]) -> tuple[int, ...]:
    return next((tuple(one[key]) for one in configs for key in MATRYOSHKA_KEYS if one.get(key)), ())


def _praises_matryoshka(card: Path) -> bool:
    return card.is_file() and "matryoshka" in card.read_text(encoding="utf-8", errors="replace").lower()
