"""Tiny, randomly initialised models with vocabularies of their own: real loading code, no download."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
    GPT2Config,
    GPT2Model,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
)

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
# Weights large enough for attention to matter, as it does in a trained model.
INIT = {"initializer_range": 0.3}


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
    config = BertConfig(vocab_size=len(pieces), max_position_embeddings=64, **SHAPE)
    BertModel(config).save_pretrained(folder, safe_serialization=True)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def make_classifier(folder: Path, labels: dict[int, str], bias: list[float] | None = None) -> Path:
    """A tiny classifier in the folder. bias: its logits, whatever the text; by default they depend on it."""
    make_bert(folder)
    torch.manual_seed(1)
    bert = BertModel.from_pretrained(folder)
    bert.config.id2label, bert.config.label2id = labels, {name: index for index, name in labels.items()}
    model = BertForSequenceClassification(bert.config)
    model.bert.load_state_dict(bert.state_dict())
    with torch.no_grad():
        model.classifier.weight.mul_(0.0 if bias else 200.0)
        model.classifier.bias.copy_(torch.tensor(bias or [0.0] * len(labels)))
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def make_roberta(folder: Path, seed: int = 0) -> Path:
    """66 positions, of which the first two are never used."""
    size = _byte_tokens(folder, ends=True)
    config = RobertaConfig(vocab_size=size, max_position_embeddings=66, pad_token_id=1, **SHAPE, **INIT)
    return _saved(RobertaModel, config, folder, seed)


def make_mpnet(folder: Path, seed: int = 0) -> Path:
    """Its attention adds a bias by relative position, and is its own."""
    size = _byte_tokens(folder, ends=True)
    return _saved(MPNetModel, MPNetConfig(vocab_size=size, **SHAPE, **INIT), folder, seed)


def make_modernbert(folder: Path, seed: int = 0) -> Path:
    """Rotary positions; every other layer sees eight tokens to each side."""
    size = _byte_tokens(folder, ends=True)
    ends = {"bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2, "pad_token_id": 1}
    layers = {"local_attention": 16, "global_attn_every_n_layers": 2}
    config = ModernBertConfig(vocab_size=size, **ends, **layers, **SHAPE, **INIT)
    return _saved(ModernBertModel, config, folder, seed)


def make_gpt2(folder: Path, seed: int = 0) -> Path:
    """A decoder whose tokenizer pads with nothing and adds nothing, so that an empty text has no token."""
    size = _byte_tokens(folder, ends=False)
    config = GPT2Config(
        vocab_size=size,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=64,
        bos_token_id=2,
        eos_token_id=2,
        **INIT,
    )
    return _saved(GPT2Model, config, folder, seed)


def make_qwen3(folder: Path, seed: int = 0) -> Path:
    """A decoder with rotary positions and fewer heads of keys than of queries."""
    size = _byte_tokens(folder, ends=False, pad="<pad>")
    config = Qwen3Config(vocab_size=size, num_key_value_heads=2, head_dim=8, **SHAPE, **INIT)
    return _saved(Qwen3Model, config, folder, seed)


def write_json(path: Path, content: Any) -> None:
    """A file of the model's folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _saved(kind: Any, config: Any, folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    kind(config).save_pretrained(folder, safe_serialization=True)
    return folder


def _byte_tokens(folder: Path, *, ends: bool, pad: str | None = None) -> int:
    """A tokenizer of bytes, with or without ends around a text; its size."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocab = {token: at for at, token in enumerate([*special, *sorted(ByteLevel.alphabet())])}
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    names = {"eos_token": "</s>"} | ({"pad_token": pad} if pad else {})
    if ends:
        tokenizer.post_processor = TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
        names |= {"bos_token": "<s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
        names |= {"unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return len(vocab)
