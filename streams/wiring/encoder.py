"""Builds the encoder that the settings name; beside `app`, the only place that names one."""

from __future__ import annotations

from pathlib import Path

from encoders.core.base import Encoder, layers
from encoders.fitted.projection import ProjectedEncoder, Projection
from encoders.fitted.topics import TopicEncoder
from encoders.media.fused import FusedEncoder
from encoders.onnx.encoder import PREFIX, OnnxEncoder
from encoders.sentiment.base import Sentiment
from encoders.serving.cache import CachedEncoder
from encoders.serving.cache_store import VectorStore
from encoders.serving.pool import EncoderPool
from encoders.text.hashing import HashingEncoder
from streams.flow.encoding import Scoring
from streams.settings.action_words import ActionSet, known_word
from streams.settings.encoder import SENTIMENT_ACTIONS
from streams.settings.settings import Settings, SettingsError
from streams.wiring.media import fuse

# Of a joint batch, where the encoder itself does not say how many tokens it takes at once.
BATCH_TOKENS = 1024
URLS = ("http://", "https://")
# Settings that models of transformers alone heed, as they do `encoder_pooling`.
UNHEEDED = ("encoder_prompt", "encoder_prompt_name", "encoder_truncate_dim")


def build_raw_encoder(settings: Settings) -> Encoder:
    """The encoder by name, before projection and cache. Raises SettingsError, EncoderError."""
    if settings.encoder in ("hashing", "topics") or settings.encoder.startswith((PREFIX, *URLS)):
        _require_no_effect_lost(settings)
    if settings.encoder == "hashing":
        return HashingEncoder(settings.dimensions)
    if settings.encoder.startswith(URLS):
        return _remote(settings)
    if settings.encoder == "topics":
        if settings.topics is None:
            raise SettingsError(
                "the encoder topics needs a file: run `interestflow fit topics` and set INTERESTFLOW_TOPICS to it"
            )
        return TopicEncoder.load(settings.topics)
    if settings.encoder.startswith(PREFIX):
        folder = Path(settings.encoder.removeprefix(PREFIX))
        return OnnxEncoder(folder, max_length=settings.encoder_max_tokens, threads=settings.encoder_threads)
    # Imported late: torch takes seconds, and whoever hashes needs none of it.
    from encoders.text.transformer import TransformerEncoder

    return TransformerEncoder(
        settings.encoder,
        revision=settings.encoder_revision,
        max_length=settings.encoder_max_tokens,
        pooling=settings.encoder_pooling,
        prompt=settings.encoder_prompt,
        prompt_name=settings.encoder_prompt_name,
        truncate_dim=settings.encoder_truncate_dim,
        threads=settings.encoder_threads,
    )


def _require_no_effect_lost(settings: Settings) -> None:
    """Raises SettingsError where something is set that the encoder would not heed."""
    unheeded = [name for name in UNHEEDED if getattr(settings, name) is not None]
    exported = settings.encoder.startswith(PREFIX)  # by its mean
    if settings.encoder_pooling not in (("auto", "mean") if exported else ("auto",)):
        unheeded.append("encoder_pooling")
    if unheeded:
        names = ", ".join(f"INTERESTFLOW_{name.upper()}" for name in unheeded)
        raise SettingsError(
            f"INTERESTFLOW_ENCODER={settings.encoder} does not heed {names}: unset that, or set INTERESTFLOW_ENCODER "
            f"to a model of transformers"
        )


def build_fused(settings: Settings, fitted: Path | None) -> FusedEncoder | None:
    """The encoder of contents, of unrelated dimensions where nothing is fitted; None where media are ignored."""
    return fuse(settings, fitted, lambda: _cached(_pooled(build_raw_encoder(settings), settings), settings))


def build_encoder(settings: Settings) -> Encoder:
    """The encoder as the stream uses it: projected to `dimensions`, cached. Raises SettingsError."""
    fused = build_fused(settings, settings.fusion if isinstance(settings.fusion, Path) else None)
    if fused is not None:
        if fused.dim != settings.dimensions:
            # Hashing has as many dimensions as are wanted of all: with more of those the sum would only grow.
            other = "" if settings.encoder == "hashing" else f", or set INTERESTFLOW_DIMENSIONS={fused.dim}"
            raise SettingsError(
                f"the media together have {fused.dim} dimensions, not {settings.dimensions}: run `interestflow fit "
                f"fusion` and set INTERESTFLOW_FUSION to its file{other}"
            )
        return fused
    encoder = build_raw_encoder(settings)
    if settings.projection is not None:
        encoder = ProjectedEncoder(encoder, Projection.load(settings.projection))
    if encoder.dim != settings.dimensions:
        raise SettingsError(
            f"{settings.encoder} gives {encoder.dim} dimensions, not {settings.dimensions}: run `interestflow fit "
            f"projection` and set INTERESTFLOW_PROJECTION to its file, or set INTERESTFLOW_DIMENSIONS={encoder.dim}"
        )
    return _cached(_pooled(encoder, settings), settings)


def _pooled(encoder: Encoder, settings: Settings) -> Encoder:
    """Behind a queue and workers; not hashing, which is done before a worker wakes, and by one thread at a time."""
    if settings.encoder == "hashing":
        return encoder
    device = next((layer.device for layer in layers(encoder) if hasattr(layer, "device")), "cpu")
    if device != "cpu" and settings.encoder_workers > 1:
        raise SettingsError(
            f"the encoder runs on {device}, where workers would only wait for each other: set "
            f"INTERESTFLOW_ENCODER_WORKERS=1"
        )
    budgets = [layer.token_budget for layer in layers(encoder) if hasattr(layer, "token_budget")]
    return EncoderPool(
        encoder,
        workers=settings.encoder_workers,
        batch_tokens=budgets[0] if budgets else BATCH_TOKENS,
        max_tokens=settings.encoder_max_tokens,
    )


def _remote(settings: Settings) -> Encoder:
    from encoders.remote.embeddings_server import Endpoint
    from encoders.remote.encoder import RemoteEncoder

    if settings.encoder_remote_model is None:
        raise SettingsError(
            "a remote encoder needs INTERESTFLOW_ENCODER_REMOTE_MODEL, the model's name on its server"
        )
    return RemoteEncoder(
        Endpoint(
            settings.encoder,
            settings.encoder_remote_model,
            settings.encoder_remote_api_key,
            settings.encoder_remote_dimensions,
        ),
        revision=settings.encoder_revision or "",
        timeout_s=settings.encoder_remote_timeout_s,
        concurrency=settings.encoder_remote_concurrency,
        texts_per_request=settings.encoder_remote_batch,
    )


def _cached(encoder: Encoder, settings: Settings) -> Encoder:
    folder = settings.encoder_cache_dir
    if not settings.encoder_cache_items:
        if folder is not None:
            raise SettingsError(
                "INTERESTFLOW_ENCODER_CACHE_DIR needs INTERESTFLOW_ENCODER_CACHE_ITEMS above 0"
            )
        return encoder
    store = VectorStore(folder, encoder.dim, settings.encoder_cache_disk_bytes) if folder else None
    return CachedEncoder(encoder, settings.encoder_cache_items, store)


def build_scoring(settings: Settings) -> Scoring | None:
    """What scores the texts of the actions that the settings name. Raises SettingsError, EncoderError."""
    if settings.sentiment == "none":
        return None
    rules = settings.action_rules
    known = rules.keys() | set(SENTIMENT_ACTIONS)
    if unknown := sorted(
        action for action in settings.sentiment_actions if known_word(action, known) is None
    ):
        raise SettingsError(
            f"INTERESTFLOW_SENTIMENT_ACTIONS: no rule for {', '.join(unknown)}: add it to INTERESTFLOW_ACTIONS, or "
            f"name one of {', '.join(sorted(rules))}"
        )
    return Scoring(build_sentiment(settings), ActionSet(settings.sentiment_actions, rules))


def build_sentiment(settings: Settings) -> Sentiment:
    """The sentiment model by name."""
    if settings.sentiment == "lexicon":
        from encoders.sentiment.lexicon import LexiconSentiment

        return LexiconSentiment()
    # Imported late, as above.
    from encoders.sentiment.classifier import SentimentClassifier

    return SentimentClassifier(
        settings.sentiment,
        revision=settings.sentiment_revision,
        labels=settings.sentiment_labels,
        max_length=settings.encoder_max_tokens,
        threads=settings.encoder_threads,
    )
