"""Builds the encoder that the settings name, with its projection, workers and cache."""

from __future__ import annotations

from pathlib import Path

from encoders.core.base import Encoder, layers
from encoders.core.options import EncoderOptions
from encoders.fitted.projection import ProjectedEncoder, Projection
from encoders.media.fused import FusedEncoder
from encoders.sentiment.base import Sentiment
from encoders.serving.cache import CachedEncoder
from encoders.serving.cache_store import VectorStore
from encoders.serving.pool import EncoderPool
from streams.flow.encoding import Scoring
from streams.settings.action_words import ActionSet, known_word
from streams.settings.registries import ENCODERS, TRANSFORMERS, encoder_name
from streams.settings.sections.encoder import EncoderSettings
from streams.settings.sections.event_text import SENTIMENT_ACTIONS
from streams.settings.settings import Settings, SettingsError
from streams.wiring.media import fuse

# Of a joint batch, where the encoder itself does not say how many tokens it takes at once.
BATCH_TOKENS = 1024
# Registered encoders that are named without more.
BARE = ("hashing", "topics")
# Settings that models of transformers alone heed, as they do `pooling`.
UNHEEDED = ("prompt", "prompt_name", "truncate_dim")


def build_raw_encoder(options: EncoderSettings) -> Encoder:
    """The encoder by name, before projection and cache. Raises SettingsError, EncoderError, RegistryError."""
    name = encoder_name(options.name)
    if name in ENCODERS.built_in and name != TRANSFORMERS:
        _require_no_effect_lost(options, name)
    given: EncoderOptions = options
    encoder: Encoder = ENCODERS.build(name, given)
    return encoder


def _require_no_effect_lost(options: EncoderSettings, name: str) -> None:
    """Raises SettingsError where something is set that the encoder would not heed."""
    if name in BARE and options.name != name:
        raise SettingsError(f"INTERESTFLOW_ENCODER={options.name}: {name} takes nothing behind its name")
    unheeded = [field for field in UNHEEDED if getattr(options, field) is not None]
    # What is exported to ONNX pools by the mean.
    if options.pooling not in (("auto", "mean") if name == "onnx" else ("auto",)):
        unheeded.append("pooling")
    if unheeded:
        names = ", ".join(map(options.variable, unheeded))
        raise SettingsError(
            f"INTERESTFLOW_ENCODER={options.name} does not heed {names}: unset that, or set INTERESTFLOW_ENCODER "
            f"to a model of transformers"
        )


def build_fused(settings: Settings, fitted: Path | None) -> FusedEncoder | None:
    """The encoder of contents, of unrelated dimensions where nothing is fitted; None where media are ignored."""
    options = settings.encoder
    return fuse(settings, fitted, lambda: served(build_raw_encoder(options), options))


def build_encoder(settings: Settings) -> Encoder:
    """The encoder as the stream uses it: projected to `dimensions`, cached. Raises SettingsError."""
    options, fusion = settings.encoder, settings.media.fusion
    fused = build_fused(settings, fusion if isinstance(fusion, Path) else None)
    if fused is not None:
        if fused.dim != options.dimensions:
            # Hashing has as many dimensions as are wanted of all: with more of those the sum would only grow.
            other = "" if options.name == "hashing" else f", or set INTERESTFLOW_DIMENSIONS={fused.dim}"
            raise SettingsError(
                f"the media together have {fused.dim} dimensions, not {options.dimensions}: run `interestflow fit "
                f"fusion` and set INTERESTFLOW_FUSION to its file{other}"
            )
        return fused
    encoder = build_raw_encoder(options)
    if options.projection is not None:
        encoder = ProjectedEncoder(encoder, Projection.load(options.projection))
    if encoder.dim != options.dimensions:
        raise SettingsError(
            f"{options.name} gives {encoder.dim} dimensions, not {options.dimensions}: run `interestflow fit "
            f"projection` and set INTERESTFLOW_PROJECTION to its file, or set INTERESTFLOW_DIMENSIONS={encoder.dim}"
        )
    return served(encoder, options)


def served(encoder: Encoder, options: EncoderSettings) -> Encoder:
    """An encoder behind its queue, its workers and its cache. Close it, so that another one can open the cache's
    folder. Raises SettingsError."""
    return _cached(_pooled(encoder, options), options)


def _pooled(encoder: Encoder, options: EncoderSettings) -> Encoder:
    """Behind a queue and workers; not hashing, which is done before a worker wakes, and by one thread at a time."""
    if options.name == "hashing":
        return encoder
    device = next((layer.device for layer in layers(encoder) if hasattr(layer, "device")), "cpu")
    if device != "cpu" and options.workers > 1:
        raise SettingsError(
            f"the encoder runs on {device}, where workers would only wait for each other: set "
            f"INTERESTFLOW_ENCODER_WORKERS=1"
        )
    budgets = [layer.token_budget for layer in layers(encoder) if hasattr(layer, "token_budget")]
    return EncoderPool(
        encoder,
        workers=options.workers,
        batch_tokens=budgets[0] if budgets else BATCH_TOKENS,
        max_tokens=options.max_tokens,
    )


def _cached(encoder: Encoder, options: EncoderSettings) -> Encoder:
    folder = options.cache_dir
    if not options.cache_items:
        if folder is not None:
            raise SettingsError(
                "INTERESTFLOW_ENCODER_CACHE_DIR needs INTERESTFLOW_ENCODER_CACHE_ITEMS above 0"
            )
        return encoder
    store = VectorStore(folder, encoder.dim, options.cache_disk_bytes) if folder else None
    return CachedEncoder(encoder, options.cache_items, store)


def build_scoring(settings: Settings) -> Scoring | None:
    """What scores the texts of the actions that the settings name. Raises SettingsError, EncoderError."""
    if settings.sentiment.model == "none":
        return None
    rules = settings.weights.action_rules
    known = rules.keys() | set(SENTIMENT_ACTIONS)
    if unknown := sorted(
        action for action in settings.sentiment.actions if known_word(action, known) is None
    ):
        raise SettingsError(
            f"INTERESTFLOW_SENTIMENT_ACTIONS: no rule for {', '.join(unknown)}: add it to INTERESTFLOW_ACTIONS, or "
            f"name one of {', '.join(sorted(rules))}"
        )
    return Scoring(build_sentiment(settings), ActionSet(settings.sentiment.actions, rules))


def build_sentiment(settings: Settings) -> Sentiment:
    """The sentiment model by name."""
    if settings.sentiment.model == "lexicon":
        from encoders.sentiment.lexicon import LexiconSentiment

        return LexiconSentiment()
    # Imported late: torch takes seconds, and whoever scores with a lexicon needs none of it.
    from encoders.sentiment.classifier import SentimentClassifier

    return SentimentClassifier(
        settings.sentiment.model,
        revision=settings.sentiment.revision,
        labels=settings.sentiment.labels,
        max_length=settings.encoder.max_tokens,
        threads=settings.encoder.threads,
    )
