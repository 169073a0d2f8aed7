"""The knobs of what turns content into vectors; a part of `settings`, whose rules hold here too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

from streams.settings.registries import require_encoder


def _listed(given: object) -> object:
    if not isinstance(given, str):
        return given
    if given.strip().startswith("["):
        return json.loads(given)
    return [part.strip() for part in given.split(",") if part.strip()]


# `a,b` as it fits on a command line and in the environment, or a JSON list; a list in TOML.
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]

SENTIMENT_ACTIONS = ("comment", "review")


class EncoderSettings(BaseModel):
    """Which encoder, what it reads, and into which space."""

    # --- Text ---
    # `hashing`, `demo` (the MiniLM of the PyPI package), a URL (see Remote), `onnx:FOLDER` (of `interestflow export
    # onnx`, on a CPU faster than the same model otherwise), `topics` (see below), that of an installed package (its
    # name, or its name, a colon and what it takes), or the name or folder of any model of the transformers library; for
    # texts that are not English, a multilingual one.
    encoder: Annotated[str, AfterValidator(require_encoder)] = "demo"
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
    # Threads that encode at the same time, each on one core; one leaves the other cores to the stream, more pay
    # while texts queue (interestflow_encoder_queued_texts). On a GPU, one.
    encoder_workers: int = Field(default=1, ge=1, le=64)
    # CPU threads of each of them within one batch; rather more workers than more of these.
    encoder_threads: int = Field(default=1, ge=1)

    # --- Cache ---
    # Texts kept by content hash; 660 bytes each at 128 dimensions. As many as come again within hours; 0 for none.
    encoder_cache_items: int = Field(default=100_000, ge=0)
    # Folder of this process alone, on a local disk, whose vectors outlive it; two workers of a machine need two.
    # It pays where encoding is dear (a remote encoder, a CPU); none for memory alone.
    encoder_cache_dir: Path | None = None
    # Bytes of its files, about 530 per text at 128 dimensions; the texts that were written first go first.
    encoder_cache_disk_bytes: int = Field(default=1 << 30, ge=1 << 26)

    # --- Pictures, sound and film ---
    # A CLIP or SigLIP of transformers, by name or path, for pictures and the frames of films; none: they are not
    # read. Its commit, where it is a name: pin it, or the vectors change when its owner changes the model.
    image_encoder: str | None = None
    image_encoder_revision: str | None = None
    # A Whisper of transformers, by name or path, for sound and the sound of films; none: it is not heard.
    speech_encoder: str | None = None
    speech_encoder_revision: str | None = None
    # `en`, `zh`, …; none: the model tells it from the first seconds. Set it where all recordings share one.
    speech_language: str | None = None
    # Hosts that pictures and films may be fetched from: `images.shop.com`, `.shop.com` (all below it), with a
    # port where it is not 80 or 443; and addresses or networks in your own net that these may lead to
    # (`10.2.0.0/16`). None: no URL is fetched.
    media_hosts: CommaSeparated = ()
    # Folder that paths in catalog records are relative to and may not leave; none: no file is read.
    media_folder: Path | None = None
    # Bytes of one medium; seconds for its download; seconds for decoding it, after which it is refused.
    media_max_bytes: int = Field(default=20 * 1024 * 1024, ge=1024)
    media_timeout_s: float = Field(default=10.0, gt=0)
    media_decode_timeout_s: float = Field(default=30.0, gt=0)
    # Pixels of a picture or frame, four bytes of memory each while it is decoded; Pillow refuses more than that.
    media_max_pixels: int = Field(default=50_000_000, ge=1, le=89_000_000)
    # Seconds of a recording that are heard, from its start; frames of a film that are seen, evenly over it.
    media_max_seconds: float = Field(default=600.0, gt=0)
    media_frames: int = Field(default=8, ge=1, le=256)

    # --- Fusion ---
    # How an item's media become one vector, where pictures or recordings are encoded: `late` (side by side, needs
    # no fitting, as many dimensions as all together), or a file of `interestflow fit fusion`, which has `dimensions`.
    fusion: Literal["late"] | Path = "late"
    # What a medium counts beside the others, for `late` and for where fitting starts: twice the weight, twice the say.
    fusion_text_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    fusion_picture_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    fusion_transcript_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    # --- Space ---
    # Dimensions of item and interest vectors; a user's state grows with them. 128 of MiniLM's 384 foretell as well
    # as all (the table in docs/encoders.md).
    dimensions: int = Field(default=128, ge=2, le=4096)
    # File made by `interestflow fit projection`; needed where the encoder's own dimension differs, and worth having
    # where it does not, for subtracting the catalog's mean is most of the gain. Another file is another space, so
    # raise the generation with it.
    projection: Path | None = None

    # File made by `interestflow fit topics`, for the encoder `topics`: where no language model is to be had.
    topics: Path | None = None

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
    sentiment_actions: CommaSeparated = SENTIMENT_ACTIONS
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
    # With a URL as encoder (https://host/v1): the model's name there. A new model behind an old name needs a new
    # encoder_revision, any word of yours, since a server does not tell.
    encoder_remote_model: str | None = None
    # Sent as a bearer token; never printed. Better in the environment than in a file.
    encoder_remote_api_key: str | None = None
    # Dimensions to ask for, of models that can shorten their vectors; none for the model's own.
    encoder_remote_dimensions: int | None = Field(default=None, ge=2, le=4096)
    # Seconds until an answer; longer than the server takes for a full request with others in its queue.
    encoder_remote_timeout_s: float = Field(default=30.0, gt=0)
    # Requests at a time, and texts in one; as many as the server takes before it answers 429 or 413.
    encoder_remote_concurrency: int = Field(default=4, ge=1, le=256)
    encoder_remote_batch: int = Field(default=32, ge=1, le=2048)
