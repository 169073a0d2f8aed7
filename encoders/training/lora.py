"""Low-rank adaptation of a text encoder to pairs of texts, merged into a model of its own.

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021 (all linear layers of the blocks are
adapted, the rest is frozen). What is learned from, and the loss: `contrastive`. Texts are tokenised batch by
batch, so memory does not grow with the number of pairs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from encoders.checkpoints.weights import Parts, write_card
from encoders.core.base import EncoderError
from encoders.training.contrastive import Pair, chance, conflicts, info_nce

try:
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
except ImportError as error:
    raise EncoderError("training needs another package: run `pip install 'interestflow[train]'`") from error

WEIGHTS = "model.safetensors"
# To 0.5: at higher ones no model could have a low loss, since cosines end at 1.
TEMPERATURES = [0.02 * 10 ** (step / 20) for step in range(29)]
FITTED = 512  # pairs that the temperature is fitted to
MARGIN = 1e-3  # nats: what is gained less is rounding, as where all texts have become nearly alike
ABOUT = "about"  # key of the metadata in the header of the weights


@dataclass(frozen=True, slots=True)
class Options:
    """How to train. The defaults suit a sentence encoder and some thousand pairs."""

    rank: int = 16  # of the adapters: more learns more, and overfits sooner
    alpha: int = 32  # the adapters' scale is alpha / rank
    dropout: float = 0.05  # on the adapters' input
    learning_rate: float = 2e-4
    # Of the cosines: lower looks more at the hardest negatives. None: where the base's loss is least. Below that the
    # first thing to be learned is to be less sure, and the shortest way there is to make all texts alike.
    temperature: float | None = None
    batch: int = 64  # pairs per step; each has the others as negatives
    epochs: int = 5  # at most
    patience: int = 1  # epochs without a better held-out loss before it stops
    max_length: int = 256  # tokens of a text that are read
    seed: int = 0


@dataclass(slots=True)
class History:
    """Losses: of the base on the held-out pairs, then by epoch; best_epoch is the one that was kept, from 1.

    chance: the held-out loss of a model to which all texts are alike, which the base's exceeds where the
    temperature is too low for it.
    """

    temperature: float
    base: float
    chance: float
    train: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        return int(np.argmin(self.held_out)) + 1


class Trainer:
    """One training: adapters on a frozen model."""

    def __init__(self, parts: Parts, options: Options, on_step: Callable[[], None]) -> None:
        """on_step: called behind every step. Draws from torch's generator."""
        self.tokenizer, self.options, self.on_step = parts.tokenizer, options, on_step
        config = LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules="all-linear",
            exclude_modules=r".*pooler.*",  # not on the way to the mean over the tokens
        )
        self.model: Any = get_peft_model(parts.model, config)
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(weights, lr=options.learning_rate)
        self.temperature: float  # by the options, or fitted to the pairs

    def fit(self, train: Sequence[Pair], held_out: Sequence[Pair]) -> History:
        """Train until the held-out loss gets no better, and go back to where it was best. Raises EncoderError.

        held_out: in any order; pairs of one visit are no negatives, so they are spread over the batches.
        """
        options, order = self.options, np.random.default_rng(self.options.seed)
        held_out = [held_out[at] for at in order.permutation(len(held_out))]
        some = [train[at] for at in order.permutation(len(train))[:FITTED]]
        self.temperature = options.temperature or self.fitted_temperature(some)
        history = History(self.temperature, self.loss(held_out), self.chance(held_out))
        best = self._adapters()
        for epoch in range(1, options.epochs + 1):
            history.train.append(self._epoch([train[at] for at in order.permutation(len(train))]))
            history.held_out.append(self.loss(held_out))
            if history.best_epoch == epoch:
                best = self._adapters()
            elif epoch - history.best_epoch >= options.patience:
                break
        _require_gain(history)
        set_peft_model_state_dict(self.model, best)
        return history

    @torch.no_grad()
    def fitted_temperature(self, pairs: Sequence[Pair]) -> float:
        """That of TEMPERATURES at which the model as it is has the least loss."""
        self.model.eval()
        made = [(*self._sides(batch), conflicts(batch)) for batch in batches(pairs, self.options.batch)]
        losses = [_mean((len(one[0]), float(info_nce(*one, at))) for one in made) for at in TEMPERATURES]
        return TEMPERATURES[int(np.argmin(losses))]

    @torch.no_grad()
    def loss(self, pairs: Sequence[Pair]) -> float:
        """Mean loss over batches of the pairs in their order, nothing dropped."""
        self.model.eval()
        return _mean((len(batch), float(self._loss(batch))) for batch in batches(pairs, self.options.batch))

    def chance(self, pairs: Sequence[Pair]) -> float:
        """The same of a model to which all texts are alike."""
        return _mean((len(batch), chance(conflicts(batch))) for batch in batches(pairs, self.options.batch))

    def _epoch(self, pairs: Sequence[Pair]) -> float:
        self.model.train()
        return _mean((len(batch), self._step(batch)) for batch in batches(pairs, self.options.batch))

    def _step(self, batch: Sequence[Pair]) -> float:
        loss = self._loss(batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # theirs has no annotations
        self.optimizer.step()
        self.on_step()
        return loss.item()

    def _loss(self, batch: Sequence[Pair]) -> torch.Tensor:
        return info_nce(*self._sides(batch), conflicts(batch), self.temperature)

    def _sides(self, batch: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.embed([pair.left for pair in batch]), self.embed([pair.right for pair in batch])

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """(B, dim) unit rows, means over the tokens, as the encoder makes them."""
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        tokens = self.tokenizer(
            clean, truncation=True, max_length=self.options.max_length, padding=True, return_tensors="pt"
        ).to(self.model.device)
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return torch.nn.functional.normalize((hidden * weights).sum(dim=1) / weights.sum(dim=1), dim=1)

    def _adapters(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in get_peft_model_state_dict(self.model).items()}


def fine_tune(
    parts: Parts,
    train: Sequence[Pair],
    held_out: Sequence[Pair],
    folder: Path,
    options: Options,
    on_step: Callable[[], None] = lambda: None,
) -> History:
    """Adapt the model, and write it, merged, with its tokenizer and configuration into the folder.

    parts: are changed. held_out: later pairs, by which it stops. On the CPU, and with as many threads, the same
    seed gives the same weights. Raises EncoderError.
    """
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        trainer = Trainer(parts, options, on_step)
        history = trainer.fit(train, held_out)
    merged = trainer.model.merge_and_unload()
    merged.save_pretrained(folder, max_shard_size="1TB")
    parts.tokenizer.save_pretrained(folder)
    write_card(folder, int(merged.config.hidden_size))
    describe(folder, {"lora": asdict(options), "losses": asdict(history), "best_epoch": history.best_epoch})
    return history


def describe(folder: Path, more: dict[str, Any]) -> None:
    """Add to the metadata in the header of the folder's weights."""
    path = folder / WEIGHTS
    header = {"format": "pt", ABOUT: json.dumps(about(folder) | more, sort_keys=True)}
    path.write_bytes(save(load_file(path), metadata=header))  # `save_file` would let its owner alone read it


def about(folder: Path) -> dict[str, Any]:
    """The metadata of the weights in a folder; empty where nobody wrote any."""
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        found: dict[str, Any] = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
    return found


def batches(pairs: Sequence[Pair], size: int) -> Iterator[Sequence[Pair]]:
    """Of no more than this size, all about alike: a rest of one would have no negative."""
    count = -(-len(pairs) // size)
    bounds = [at * len(pairs) // count for at in range(count + 1)]
    return (pairs[start:end] for start, end in pairwise(bounds))


def _require_gain(history: History) -> None:
    """Raises EncoderError where the best epoch is no better than the base, or than telling no two texts apart."""
    best = min(history.held_out)
    if best < min(history.base, history.chance) - MARGIN:
        return
    found = f"the held-out loss was {history.base:.4f} before and {best:.4f} at best after it"
    if best < history.base - MARGIN:
        found += f", but {history.chance:.4f} is what a model has to which all texts are alike"
    raise EncoderError(
        f"training did not help: {found}. Give it a smaller --learning-rate, more pairs or a smaller --rank; nothing "
        f"was written"
    )


def _mean(losses: Iterator[tuple[int, float]]) -> float:
    weighted = list(losses)
    return sum(size * loss for size, loss in weighted) / sum(size for size, _ in weighted)
