"""Sentiment by any sequence classifier of the transformers library: the mean of its labels' values.

score = sum over labels of p(label) * value(label), p by softmax: 1 and -1 are reached only where the model is sure.
Weights are read from safetensors only, in float32, and no code of a model is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

from encoders.checkpoints import pretrained
from encoders.core.base import EncoderError, encodable
from encoders.core.batching import cut
from encoders.sentiment.base import Scores

SETTING = pretrained.Setting("INTERESTFLOW_SENTIMENT", ("none", "lexicon"))
TOKEN_BUDGET = 1024
STARS = re.compile(r"([1-5])[ _-]?stars?")
NEGATIVE = ("negative", "neg", "负面", "消极")
NEUTRAL = ("neutral", "neu", "中性")
POSITIVE = ("positive", "pos", "正面", "积极")
MEANINGS = {**dict.fromkeys(NEGATIVE, -1.0), **dict.fromkeys(NEUTRAL, 0.0), **dict.fromkeys(POSITIVE, 1.0)}


class SentimentClassifier:
    """A classifier by name or local path."""

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        labels: Mapping[str, float] | None = None,
        max_length: int = 256,
        token_budget: int = TOKEN_BUDGET,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        """model: a local folder, or a name. revision: a commit of a named model.

        labels: value in [-1, 1] by label, where the model's own labels do not say it. max_length: tokens of a text
        that are read. token_budget: padded tokens per forward pass. threads: CPU threads of torch in this process.
        Raises EncoderError.
        """
        self.device, _ = pretrained.choose(device, threads)
        folder = pretrained.find(model, revision, SETTING)
        self._tokenizer = pretrained.load_tokenizer(folder, SETTING)
        self._model = pretrained.load_model(
            AutoModelForSequenceClassification, folder, SETTING, torch.float32
        )
        self._model.to(self.device)
        self._values = label_values(self._model.config.id2label, labels)
        limit = int(getattr(self._model.config, "max_position_embeddings", max_length))
        self.id, self.max_length, self.token_budget = model, min(max_length, limit), token_budget
        self.revision = self._hash()
        self._scored = 0

    def score(self, texts: Sequence[str]) -> Scores:
        """See Sentiment; cut by token count."""
        scores = np.empty(len(texts), dtype=np.float32)
        if not texts:
            return scores
        ids = self._tokenizer(encodable(texts), truncation=True, max_length=self.max_length)["input_ids"]
        with torch.inference_mode():
            for batch in cut([len(tokens) for tokens in ids], self.token_budget):
                scores[batch] = self._forward([ids[index] for index in batch])
        self._scored += len(texts)
        return scores

    def counts(self) -> dict[str, dict[str, int]]:
        """Texts scored (see base.counts)."""
        return {"sentiment": {"scored": self._scored, "unscored": 0}}

    def _forward(self, ids: list[list[int]]) -> Scores:
        longest, pad = max(map(len, ids)), self._tokenizer.pad_token_id or 0
        tokens = torch.tensor([row + [pad] * (longest - len(row)) for row in ids], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=self.device)
        shares = torch.softmax(self._model(input_ids=tokens, attention_mask=mask).logits.double(), dim=1)
        values = torch.tensor(self._values, dtype=torch.float64, device=self.device)
        # Row by row, since a matrix product may sum in another order for another batch size.
        means: Scores = (shares * values).sum(dim=1).clamp(-1.0, 1.0).float().cpu().numpy()
        return means

    def _hash(self) -> str:
        """Of the weights, the tokenizer and the labels' values."""
        vocabulary = sorted(self._tokenizer.get_vocab().items())
        return pretrained.digest(self._model, f"{vocabulary} {self.max_length} {self._values}")


def label_values(id2label: Mapping[int, str], given: Mapping[str, float] | None) -> list[float]:
    """Value in [-1, 1] of each class, by `given`, or by what its label says. Raises EncoderError."""
    names = [id2label[index] for index in sorted(id2label)]
    values = dict(given) if given is not None else _meanings(names)
    unknown = [name for name in names if values.get(name) is None]
    strange = sorted(set(values) - set(names))
    if unknown or strange or len(names) < 2:
        raise EncoderError(
            f"what the classifier's labels {names} mean is not understood"
            + (f" ({strange} are none of them)" if strange else "")
            + ": set INTERESTFLOW_SENTIMENT_LABELS to a value from -1 (a complaint) to 1 (praise) for each, such as "
            '{"LABEL_0": -1, "LABEL_1": 1}'
        )
    found = [float(values[name] or 0.0) for name in names]
    if not all(-1.0 <= value <= 1.0 for value in found):
        raise EncoderError("INTERESTFLOW_SENTIMENT_LABELS: values lie from -1 (a complaint) to 1 (praise)")
    return found


def _meanings(labels: Sequence[str]) -> dict[str, float | None]:
    plain = {label: label.strip().lower().replace("_", " ") for label in labels}
    # Beside `very positive`, `positive` is half of that.
    graded = any(name.startswith("very ") for name in plain.values())
    meanings: dict[str, float | None] = {}
    for label, name in plain.items():
        value = MEANINGS.get(name.removeprefix("very "))
        if (stars := STARS.fullmatch(name)) is not None:
            value = (int(stars[1]) - 3) / 2
        elif value is not None and graded and not name.startswith("very "):
            value /= 2
        meanings[label] = value
    return meanings
