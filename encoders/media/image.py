"""Pictures, and texts beside them, by a model of the CLIP or SigLIP kind: one space for both.

Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021 (CLIP);
Zhai et al., Sigmoid Loss for Language Image Pre-Training, ICCV 2023 (SigLIP). On a GPU, where there is one, in
bfloat16; on the CPU in float32. Weights are read from safetensors only, and no code of a model is run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoModel

# From its own module: under its public name transformers asks for torchvision, which it does not need here.
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from encoders.checkpoints.pretrained import (
    Setting,
    choose,
    digest,
    find,
    load_model,
    load_part,
    load_tokenizer,
)
from encoders.core.base import EncoderError, Vectors, encodable
from encoders.media.locations import MediaLocations, Medium, each
from encoders.media.pictures import decode

if TYPE_CHECKING:
    from PIL import Image

SETTING = Setting("INTERESTFLOW_IMAGE_ENCODER")
# Part of the revision: raise it where decoding comes to give other pixels.
DECODING = "rgb-white-draft2-1"


class ImageEncoder:
    """A picture encoder by name or local path; also a text encoder (`encode`) in the same space."""

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        sources: MediaLocations | None = None,
        max_pixels: int = 50_000_000,
        batch_size: int = 16,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        """model: a local folder, or a name. revision: a commit of a named model. sources: where pictures may be.

        max_pixels: of a picture, at most 89 million, where Pillow itself refuses more. batch_size: pictures or
        texts per forward pass. threads: CPU threads of torch in this process. Raises EncoderError.
        """
        self.device, dtype = choose(device, threads)
        folder = find(model, revision, SETTING)
        # Resized by Pillow: needs no torchvision, and gives the same pixels on every machine.
        self._processor = load_part(AutoImageProcessor, folder, SETTING, backend="pil")
        self._tokenizer = load_tokenizer(folder, SETTING)
        self._model = load_model(AutoModel, folder, SETTING, dtype)
        if not (hasattr(self._model, "get_image_features") and hasattr(self._model, "get_text_features")):
            raise EncoderError(
                f"{model!r} has no space of pictures and texts: set {SETTING.name} to a CLIP or SigLIP"
            )
        self._model.to(self.device)
        self.sources, self.max_pixels, self.batch_size = sources or MediaLocations(), max_pixels, batch_size
        self._max_tokens = int(self._model.config.text_config.max_position_embeddings)
        self._wanted = 2 * _side(self._processor)
        self.id = model
        self.revision = self._hash(dtype)
        self.dim = self.encode([""]).shape[1]

    def encode_images(self, images: Sequence[Medium]) -> Vectors:
        """Float32 (B, dim), unit rows, in the pictures' order; a picture's vector does not depend on its batch
        beyond 1e-6, nor on whether it came as bytes, path, data: URI or URL.

        One picture is held in full at a time, and one batch as the model takes it. Raises MediaError, which
        names the index, at the first picture that cannot be had or decoded: it has no vector, and whoever holds
        the others asks again without it.
        """
        return self.forward(
            each("picture", images, lambda image: self.prepare(self.decode(self.sources.read(image))))
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder: texts in the pictures' space; what lies beyond the model's length is not read."""
        return self._rows(encodable(texts), self._texts)

    def decode(self, data: bytes) -> Image.Image:
        """A picture's bytes as RGB. Raises MediaError."""
        return decode(data, self.max_pixels, self._wanted)

    def prepare(self, picture: Image.Image) -> torch.Tensor:
        """Pixels (3, H, W) as the model takes them; picture: RGB."""
        pixels: torch.Tensor = self._processor(picture, return_tensors="pt")["pixel_values"][0]
        return pixels

    def forward(self, prepared: Iterable[torch.Tensor]) -> Vectors:
        """Float32 (B, dim), unit rows, of what `prepare` gave; taken batch by batch, as a generator gives it."""
        return self._rows(prepared, self._pictures)

    def _rows(self, inputs: Iterable[Any], features: Any) -> Vectors:
        with torch.inference_mode():
            rows = [features(batch).pooler_output.float() for batch in _batches(inputs, self.batch_size)]
            if not rows:
                return np.empty((0, self.dim), dtype=np.float32)
            units: Vectors = torch.nn.functional.normalize(torch.cat(rows), dim=1).cpu().numpy()
        return units

    def _pictures(self, prepared: list[torch.Tensor]) -> Any:
        pixels = torch.stack(prepared).to(self.device, self._model.dtype)
        return self._model.get_image_features(pixel_values=pixels)

    def _texts(self, texts: list[str]) -> Any:
        # Padded to the full length, as these models were trained; SigLIP reads the last place, padding or not.
        tokens = self._tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        ).to(self.device)
        # SigLIP was trained without a mask, and its tokenizer gives none.
        mask = {"attention_mask": tokens["attention_mask"]} if "attention_mask" in tokens else {}
        return self._model.get_text_features(input_ids=tokens["input_ids"], **mask)

    def _hash(self, dtype: torch.dtype) -> str:
        processing = json.dumps(self._processor.to_dict(), sort_keys=True, default=str)
        text = self._tokenizer
        tokens = text.backend_tokenizer.to_str() if text.is_fast else repr(sorted(text.get_vocab().items()))
        return digest(self._model, processing, tokens, self._max_tokens, dtype, DECODING)


def _side(processor: Any) -> int:
    """The longest side, in pixels, that the processor resizes to."""
    return max(int(side) for side in dict(processor.size).values() if side)


def _batches(inputs: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(inputs)
    while batch := list(islice(left, size)):
        yield batch
