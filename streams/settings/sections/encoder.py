"""What turns texts into vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from streams.settings.registries import require_encoder
from streams.settings.section import Section


class EncoderSettings(Section):
    """Which encoder reads texts, how, and into which space."""

    # --- Text ---
    # `hashing`, `demo` (the MiniLM of the PyPI package), a URL (see Remote), `onnx:FOLDER` (of `interestflow export
    # onnx`, on a CPU faster than the same model otherwise), `topics` (see below), that of an installed package (its
    # name, or its name, a colon and what it takes), or the name or folder of any model of the transformers library; for
    # texts that are not English, a multilingual one.
    name: Annotated[str, AfterValidator(require_encoder)] = Field(default="demo", alias="encoder")
    # Commit of a named model; without it, the newest one, and the log says which.
    revision: str | None = Field(default=None, alias="encoder_revision")
    max_tokens: int = Field(default=256, ge=8, alias="encoder_max_tokens")
    # How a text's tokens make one vector. `auto` is what the model was trained with; another only where its card
    # names one that its files do not: mean, max, cls, last (decoders) or weighted (decoders trained by SGPT).
    pooling: str = Field(default="auto", alias="encoder_pooling")
    # Put before every text, where the model's card asks for a prompt or instruction: the text itself, or by the
    # name that the model's files have for it. Neither: the model's own default.
    prompt: str | None = Field(default=None, alias="encoder_prompt")
    prompt_name: str | None = Field(default=None, alias="encoder_prompt_name")
    # Leading dimensions that are kept, of a model trained for it (Matryoshka); others take a projection.
    truncate_dim: int | None = Field(default=None, ge=2, alias="encoder_truncate_dim")

    # --- Batches of texts ---
    # Threads that encode at the same time, each on one core; one leaves the other cores to the stream, more pay
    # while texts queue (interestflow_encoder_queued_texts). On a GPU, one.
    workers: int = Field(default=1, ge=1, le=64, alias="encoder_workers")
    # CPU threads of each of them within one batch; rather more workers than more of these.
    threads: int = Field(default=1, ge=1, alias="encoder_threads")

    # --- Cache ---
    # Texts kept by content hash; 660 bytes each at 128 dimensions. As many as come again within hours; 0 for none.
    cache_items: int = Field(default=100_000, ge=0, alias="encoder_cache_items")
    # Folder of this process alone, on a local disk, whose vectors outlive it; two workers of a machine need two. The
    # processes of one command each have a folder in it, process-1, process-2.
    # It pays where encoding is dear (a remote encoder, a CPU); none for memory alone.
    cache_dir: Path | None = Field(default=None, alias="encoder_cache_dir")
    # Bytes of its files, about 530 per text at 128 dimensions; the texts that were written first go first.
    cache_disk_bytes: int = Field(default=1 << 30, ge=1 << 26, alias="encoder_cache_disk_bytes")

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

    # --- Remote ---
    # With a URL as encoder (https://host/v1): the model's name there. A new model behind an old name needs a new
    # encoder_revision, any word of yours, since a server does not tell.
    remote_model: str | None = Field(default=None, alias="encoder_remote_model")
    # Sent as a bearer token; never printed. Better in the environment than in a file.
    remote_api_key: str | None = Field(default=None, alias="encoder_remote_api_key")
    # Dimensions to ask for, of models that can shorten their vectors; none for the model's own.
    remote_dimensions: int | None = Field(default=None, ge=2, le=4096, alias="encoder_remote_dimensions")
    # Seconds until an answer; longer than the server takes for a full request with others in its queue.
    remote_timeout_s: float = Field(default=30.0, gt=0, alias="encoder_remote_timeout_s")
    # Requests at a time, and texts in one; as many as the server takes before it answers 429 or 413.
    remote_concurrency: int = Field(default=4, ge=1, le=256, alias="encoder_remote_concurrency")
    remote_batch: int = Field(default=32, ge=1, le=2048, alias="encoder_remote_batch")
