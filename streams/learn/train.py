"""Training the text encoder on what the deployment's own users consume together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from encoders.checkpoints.weights import load_parts
from encoders.core.base import EncoderError
from encoders.training.contrastive import Pair, recall
from encoders.training.lora import History, Options, describe, fine_tune
from streams.flow.signals import EventWeights
from streams.learn.pairs import CoConsumed, co_consumed, split_in_time, spread
from streams.learn.training_data import Data
from streams.settings.sections.interest import WeightSettings
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import build_raw_encoder

# With fewer pairs nothing can be learned or measured.
FEWEST_TRAIN, FEWEST_HELD_OUT = 200, 50
# Texts among which a held-out pair's partner is looked for, and pairs that are looked up.
CANDIDATES, LOOKED_UP = 2_000, 1_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Which pairs: see streams.learn.pairs."""

    window_s: float = 6 * 3600.0  # between two items of a visit
    per_user: int = 50  # pairs of one user at most
    most: int = 20_000  # pairs at most, spread over time
    held_out: float = 0.1  # share, the latest


@dataclass(frozen=True, slots=True)
class Trained:
    """The result. recall_before, recall_after: share of held-out partners among the nearest 10."""

    pairs: int
    held_out: int
    history: History
    recall_before: float
    recall_after: float
    revision: str

    def __str__(self) -> str:
        losses = " ".join(f"{loss:.4f}" for loss in self.history.held_out)
        return (
            f"revision {self.revision} pairs={self.pairs} held_out={self.held_out} "
            f"held_out_loss={self.history.base:.4f} -> {losses} all_alike={self.history.chance:.4f} "
            f"epoch={self.history.best_epoch} recall_at_10={self.recall_before:.4f} -> {self.recall_after:.4f}"
        )


def train_encoder(settings: Settings, data: Data, choice: Choice, options: Options, output: Path) -> Trained:
    """Fine-tune the encoder of the settings and write the new one. Raises SettingsError, EncoderError."""
    _require_trainable(settings.encoder.name, output)
    train, held_out, cut = chosen_pairs(settings.weights, data, choice)
    base = build_raw_encoder(settings.encoder)
    parts = load_parts(settings.encoder.name, settings.encoder.revision)
    candidates = _candidates(train, held_out)
    before = recall(base, spread(held_out, LOOKED_UP), candidates)
    output.parent.mkdir(parents=True, exist_ok=True)
    # Made in full elsewhere and then moved, so that there is never half a model.
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as temporary:
        folder = Path(temporary) / "model"
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("training", total=-(-len(train) // options.batch) * options.epochs)
            history = fine_tune(parts, train, held_out, folder, options, lambda: bar.advance(task))
        new = build_raw_encoder(settings.encoder.model_copy(update={"name": str(folder), "revision": None}))
        after = recall(new, spread(held_out, LOOKED_UP), candidates)
        _require_recall(history, before, after)
        result = Trained(len(train), len(held_out), history, before, after, new.revision)
        more = {"base": base.id, "base_revision": base.revision, "pairs": asdict(choice), "cut": _iso(cut)}
        counts = {"train_pairs": len(train), "held_out_pairs": len(held_out)}
        scores = {"recall_at_10": {"before": before, "after": after}}
        describe(folder, more | counts | scores)
        folder.rename(output)
    return result


def _require_trainable(name: str, output: Path) -> None:
    """name: the encoder's. Raises SettingsError where there is nothing to train, or no place for it."""
    if name == "hashing" or name.startswith("onnx:"):
        raise SettingsError(
            f"INTERESTFLOW_ENCODER={name} has no weights to train: set it to `demo`, a folder or a name"
        )
    if output.exists():
        raise SettingsError(f"{output} exists already: give --output a folder that is to be made")


def _require_recall(history: History, before: float, after: float) -> None:
    """Raises EncoderError where recall fell: a loss may fall only because texts moved apart evenly."""
    if after < before:
        best = min(history.held_out)
        raise EncoderError(
            f"training did not help: the held-out loss fell from {history.base:.4f} to {best:.4f}, but of the held-out "
            f"partners {after:.4f} are among the nearest 10, and {before:.4f} were before it. Give it more pairs, a "
            f"smaller --learning-rate or --rank; nothing was written"
        )


def chosen_pairs(weights: WeightSettings, data: Data, choice: Choice) -> tuple[list[Pair], list[Pair], int]:
    """Pairs of texts to learn from, later pairs held out, and the time of the cut. Raises EncoderError."""
    event_weights = EventWeights(weights.action_rules, weights.default_action_weight)
    found = co_consumed(data.events, event_weights, int(choice.window_s * 1000), choice.per_user)
    pairs = spread(_with_texts(found, data.texts), choice.most)
    earlier, later, cut = split_in_time(pairs, choice.held_out) if pairs else ([], [], 0)
    if len(earlier) < FEWEST_TRAIN or len(later) < FEWEST_HELD_OUT:
        raise EncoderError(
            f"{len(earlier)} pairs to learn from and {len(later)} later ones to check with are too few: at least "
            f"{FEWEST_TRAIN} and {FEWEST_HELD_OUT} are needed. Wait for more events, widen --window-hours, or load "
            f"the texts of more items"
        )
    return _worded(earlier, data.texts), _worded(later, data.texts), cut


def _with_texts(pairs: Iterable[CoConsumed], texts: Mapping[str, str]) -> list[CoConsumed]:
    """Pairs of two different texts, each once: items with equal texts would leak into the held-out pairs."""
    first: dict[tuple[str, ...], CoConsumed] = {}
    for pair in pairs:
        words = {texts.get(pair.left, ""), texts.get(pair.right, "")} - {""}
        if len(words) == 2:
            first.setdefault(tuple(sorted(words)), pair)
    return list(first.values())


def _worded(pairs: Iterable[CoConsumed], texts: Mapping[str, str]) -> list[Pair]:
    return [Pair(texts[pair.left], texts[pair.right], pair.session) for pair in pairs]


def _candidates(train: Sequence[Pair], held_out: Sequence[Pair]) -> list[str]:
    """Distinct candidate texts: the partners that are looked for, then others up to the bound."""
    wanted = dict.fromkeys(pair.right for pair in spread(held_out, LOOKED_UP))
    others = [text for pair in (*held_out, *train) for text in (pair.left, pair.right)]
    distinct = [text for text in dict.fromkeys(others) if text not in wanted]
    return [*wanted, *spread(distinct, max(0, CANDIDATES - len(wanted)))]


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
