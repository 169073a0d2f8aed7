"""Content into vectors. Knows models; knows nothing of users, topics or the stream.

`base` is the contract; `hashing` needs no model, `topics` learns one from the catalogue's words; `transformer` runs
any encoder or decoder of transformers (loaded by `loading` as `model_card` says, read by `tokens`, run by `forward`
and `attention`, made one by `pooling`), its micro-batches cut by `batching`; `onnx` runs what `onnx_export` and
`onnx_int8` have written; `remote` asks an `embeddings_server`, behind a `circuit` breaker. Whatever transformers runs,
`pretrained` finds and loads; what is fitted is kept in a `fitted_file`.

`pool` serves many callers by worker threads, in turns kept by `fair_queue`; `cache` remembers texts by content hash,
`cache_store` beyond the process; `projection` reduces and whitens, versioned by content, as `reductions` finds it
from the `moments` of the catalogue's vectors; `attention_pooling` makes one vector of several; `contrastive` and
`lora` fine-tune a transformer on pairs of texts.

`sentiment` is the contract of what tells praise from complaint; `sentiment_lexicon` and `sentiment_classifier` do.

`image` and `media` take pictures, sound and film, whose bytes `sources` gets and `pictures` and `recordings` decode.
`content` is what an item holds beside its text, `fused` encodes it, `fusion` makes one vector of several, and
`fusion_training` learns how.
"""
