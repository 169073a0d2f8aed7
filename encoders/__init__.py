"""Content into vectors. Knows models; knows nothing of users, topics or the stream.

`base` is the contract; `hashing` needs no model; `transformer` runs any BERT-like model, its micro-batches cut
by `batching`; `cache` remembers texts by content hash; `projection` reduces and whitens, versioned by content.
`contrastive` and `lora` fine-tune a transformer on pairs of texts; `onnx` runs what `onnx_export` has written.
"""
