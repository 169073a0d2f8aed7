"""A tiny, randomly initialised BERT with a vocabulary of its own: real loading code, no download."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizer


def make_bert(folder: Path, seed: int = 0) -> Path:
    """Write model and tokenizer into the folder, as a user's own model would lie there."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase, *string.digits]
    pieces += [f"##{c}" for c in string.ascii_lowercase + string.digits] + [
        "red",
        "shoe",
        "##s",
        "mug",
        "the",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(pieces))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder, safe_serialization=True)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder
