"""Content into vectors. Knows models; knows nothing of users, topics or the stream.

`base` is the contract; `hashing` needs no model; `transformer` runs any BERT-like model, its micro-batches cut
by `batching`; `cache` remembers texts by content hash; `projection` reduces and whitens, versioned by content.
`content` is what an item holds beside its text, `fused` encodes it, `fusion` makes one vector of several, and
`fusion_training` learns how.
"""
