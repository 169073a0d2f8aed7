"""Texts to token ids: a whole micro-batch at once, by the tokenizer's own compiled code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from encoders.core.base import EncoderError, encodable
from encoders.core.statistics import EncodeStats


class Tokens:
    """A tokenizer with a prompt before every text; it counts in `stats`."""

    def __init__(self, tokenizer: Any, *, prompt: str, max_length: int, stats: EncodeStats) -> None:
        """max_length: tokens of prompt and text that are kept, special ones included. Raises EncoderError."""
        if not tokenizer.is_fast:
            raise EncoderError("the model has no fast tokenizer: save it once with its tokenizer.json")
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_padding()
        self._backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
        self._prompt, self._max_length = prompt, max_length
        self._unknown = tokenizer.unk_token_id
        self._special = set(tokenizer.all_special_ids)
        # A decoder's tokenizer may make no token at all of a text without characters.
        ends = (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id, 0)
        self._nothing = [next(token for token in ends if token is not None)]
        self._stats = stats

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one, at most max_length."""
        encoded = self._backend.encode_batch_fast(encodable(self._prompt + text for text in texts))
        ids: list[list[int]] = [one.ids or self._nothing for one in encoded]
        full = (one for one, tokens in zip(encoded, ids, strict=True) if len(tokens) == self._max_length)
        self._stats.add(
            texts=len(ids),
            tokens=sum(map(len, ids)),
            truncated=sum(bool(one.overflowing) for one in full),
            unknown=sum(tokens.count(self._unknown) for tokens in ids) if self._unknown is not None else 0,
        )
        return ids

    @property
    def prompt_length(self) -> int:
        """Leading tokens of every text that are the prompt's: its own and the special ones before it."""
        ids = self._backend.encode(self._prompt).ids if self._prompt else []
        return len(ids) - bool(ids and ids[-1] in self._special)

    def describe(self) -> str:
        """All that decides the ids."""
        return f"{self._backend.to_str()} {self._prompt!r} {self._nothing}"
