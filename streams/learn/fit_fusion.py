"""Fits the fusion of an item's media from the catalog and from what users consume one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from encoders.core.base import EncoderError
from encoders.fitted.fusion import GatedFusion, LateFusion, Parts, fit_projected, require_more
from encoders.media.fused import FusedEncoder
from encoders.training.fusion_training import Quality, Recipe, RowPair, quality, train
from streams.catalog.items import Item, content_of
from streams.flow.signals import EventWeights
from streams.learn import topic_contents
from streams.learn.pairs import CoConsumed, co_consumed, split_in_time, spread
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import build_fused
from streams.wiring.media import fusion_weights

# A larger catalog is sampled evenly, since encoding a picture takes long.
MAX_ITEMS = 20_000
CHUNK = 64
# With fewer pairs a gate can be neither learned nor judged.
FEWEST_TRAIN, FEWEST_HELD_OUT = 200, 50


@dataclass(frozen=True, slots=True)
class Choice:
    """Pairs of items to learn from (see streams.learn.pairs). gate: False needs none, and learns no gate."""

    gate: bool = True
    window_s: float = 6 * 3600.0
    per_user: int = 50
    most: int = 20_000
    # Share of the pairs, the latest ones, on which fusions are compared; and of the rest, the share for early stopping.
    held_out: float = 0.2
    stopping: float = 0.1


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result. qualities: by fusion, measured on the latest pairs, which were not learned from."""

    fusion: GatedFusion
    items: int
    left_out: int
    pairs: int
    held_out: int
    qualities: Mapping[str, Quality]


def fit_fusion(settings: Settings, output: Path, choice: Choice, recipe: Recipe) -> Fitted:
    """Fit from the topics and save. Raises SettingsError, EncoderError, ReadError."""
    encoder = build_fused(settings, None)
    if encoder is None:
        raise SettingsError(
            "only texts are encoded, there is nothing to fuse: name an encoder of pictures or speech in the settings"
        )
    items = list(topic_contents.items(settings).values())
    events = topic_contents.events(settings) if choice.gate else ()
    event_weights = EventWeights(settings.weights.action_rules, settings.weights.default_action_weight)
    pairs = co_consumed(events, event_weights, int(choice.window_s * 1000), choice.per_user)
    fitted = fit(
        encoder, items, pairs, fusion_weights(settings.media), settings.encoder.dimensions, choice, recipe
    )
    fitted.fusion.save(output)
    return fitted


def fit(
    encoder: FusedEncoder,
    items: Sequence[Item],
    pairs: Sequence[CoConsumed],
    weights: Mapping[str, float],
    dim: int,
    choice: Choice,
    recipe: Recipe,
) -> Fitted:
    """pairs: by time. weights: by medium. Raises EncoderError where there is too little to learn from."""
    chosen = spread(sorted(items, key=lambda item: item.item_id), MAX_ITEMS)
    # Before anything is encoded, which may take an hour.
    require_more(len(chosen), dim)
    if choice.gate:
        _split({item.item_id: row for row, item in enumerate(chosen)}, pairs, choice)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        parts, row_of = _encoded(encoder, chosen, bar)
        late = LateFusion(encoder.widths, weights)
        projected = fit_projected(parts, weights, dim, encoder.spaces)
        if not choice.gate:
            return Fitted(projected, len(row_of), len(chosen) - len(row_of), 0, 0, {})
        known, stopping, held_out = _split(row_of, pairs, choice)
        task = bar.add_task("training", total=recipe.epochs)
        gated = train(
            projected, parts, known, stopping, recipe, lambda epoch: bar.update(task, completed=epoch)
        )
    found = {
        name: quality(fusion, parts, held_out, recipe)
        for name, fusion in (("late", late), ("projected", projected), ("gated", gated))
    }
    gated.metadata |= {"pairs": len(known), "seed": recipe.seed}
    return Fitted(gated, len(row_of), len(chosen) - len(row_of), len(known), len(held_out), found)


def _encoded(encoder: FusedEncoder, items: Sequence[Item], bar: Progress) -> tuple[Parts, dict[str, int]]:
    """The items' media, and the row of each item; those of which nothing can be read are left out."""
    chunks = [items[at : at + CHUNK] for at in range(0, len(items), CHUNK)]
    contents = ([content_of(item, encoder) for item in chunk] for chunk in chunks)
    done = [
        encoder.parts(chunk)[0] for chunk in bar.track(contents, total=len(chunks), description="encoding")
    ]
    parts = {medium: np.concatenate([own[medium] for own in done]) for medium in encoder.widths}
    readable = np.any([vectors.any(axis=1) for vectors in parts.values()], axis=0)
    kept = [item.item_id for item, good in zip(items, readable, strict=True) if good]
    rows = {item_id: row for row, item_id in enumerate(kept)}
    return {medium: vectors[readable] for medium, vectors in parts.items()}, rows


def _split(
    row_of: Mapping[str, int], pairs: Iterable[CoConsumed], choice: Choice
) -> tuple[list[RowPair], list[RowPair], list[RowPair]]:
    """Pairs of known items to learn from, later ones to stop by, and the latest to compare by."""
    known = spread([pair for pair in pairs if pair.left in row_of and pair.right in row_of], choice.most)
    earlier, held_out, _ = split_in_time(known, choice.held_out) if known else ([], [], 0)
    first, stopping, _ = split_in_time(earlier, choice.stopping) if earlier else ([], [], 0)
    if len(first) < FEWEST_TRAIN or len(held_out) < FEWEST_HELD_OUT or len(stopping) < 2:
        raise EncoderError(
            f"{len(first)} pairs to learn from and {len(held_out)} later ones to check with are too few: at least "
            f"{FEWEST_TRAIN} and {FEWEST_HELD_OUT} are needed. Wait for more events, widen --window-hours, or give "
            f"--no-gate, which needs the catalog alone"
        )

    def rows(chosen: Sequence[CoConsumed]) -> list[RowPair]:
        return [(row_of[pair.left], row_of[pair.right], pair.session) for pair in chosen]

    return rows(first), rows(stopping), rows(held_out)
