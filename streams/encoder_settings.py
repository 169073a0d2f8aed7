"""The knobs of what turns content into vectors; a part of `settings`, whose rules hold here too."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

SENTIMENT_ACTIONS = ("comment", "review")


class EncoderSettings(BaseModel):
    """Which encoder, what it reads, and into which space."""

    # --- Text ---
    # `hashing`, `demo` (the MiniLM of the PyPI package), or the name or folder of any encoder or decoder of the
    # transformers library; for texts that are not English, a multilingual one.
    encoder: str = "demo"
    # Commit of a named model; without it, the newest one, and the log says which.
    encoder_revision: str | None = None
    encoder_max_tokens: int = Field(default=256, ge=8)
    # How a text's tokens make one vector. `auto` is what the model was trained with; another only where its card
    # names one that its files do not: mean, max, cls, last (decoders) or weighted (decoders trained by SGPT).
    encoder_pooling: str = "auto"
    # Put before every text, where the model's card asks for a prompt or instruction: the text itself, or by the
    # name that the model's files have for it. Neither: the model's own default.
    encoder_prompt: str | None = None
    encoder_prompt_name: str | None = None
    # Leading dimensions that are kept, of a model trained for it (Matryoshka); others take a projection.
    encoder_truncate_dim: int | None = Field(default=None, ge=2)

    # --- Batches of texts ---
    # CPU threads of the encoder; one leaves the other cores to the stream.
    encoder_threads: int = Field(default=1, ge=1)

    # --- Cache ---
    # Texts kept by content hash; 512 bytes each at 128 dimensions.
    encoder_cache_items: int = Field(default=100_000, ge=0)

    # --- Pictures, sound and film ---

    # --- Fusion ---

    # --- Space ---
    # Dimensions of item and interest vectors.
    dimensions: int = Field(default=128, ge=2, le=4096)
    # File made by `interestflow fit projection`; needed where the encoder's own dimension differs.
    projection: Path | None = None

    # --- Behaviour as text, and its sentiment ---
    # What tells praise from complaint in an event's text: `none`, as it always was; `lexicon`, word lists for English
    # and Chinese (pip install 'interestflow[sentiment]'); or a transformers classifier, by name or path, which is
    # better and slower. Another choice is another generation.
    sentiment: str = Field(default="none", min_length=1)
    # Commit of a named classifier: without it, a name may mean another model tomorrow.
    sentiment_revision: str | None = None
    # Value from -1 (complaint) to 1 (praise) of each label, where a classifier's labels do not say it themselves.
    sentiment_labels: dict[str, float] | None = None
    # Actions whose text is scored: those by which people judge an item. A search is no judgement.
    sentiment_actions: tuple[str, ...] = SENTIMENT_ACTIONS
    # An event's weight is multiplied by (1 - |s|) * neutral + s * gain, s the score: neutral is what a comment counts
    # that neither praises nor complains (interest was shown), 0 for nothing; gain is what clear praise counts, and a
    # clear complaint as much the other way.
    sentiment_neutral: float = Field(default=0.25, ge=0.0, le=1.0)
    sentiment_gain: float = Field(default=1.0, gt=0.0, le=10.0)
    # True where the encoder is a model of behaviour: an event then counts as the vector of what it says in words
    # ("bought Red mug") in place of its item's, which costs encoding unless the cache has it. Another generation.
    behaviour_as_text: bool = False
    # The language of these words: that of the items' titles.
    template_language: Literal["en", "zh"] = "en"
    # Your own words by action, over those of the language; {title} of the item, {text} and {value} of the event.
    # What has no title, or lacks a value that its words name, counts as its item.
    templates: dict[str, str] = Field(default_factory=dict)

    # --- Remote ---
