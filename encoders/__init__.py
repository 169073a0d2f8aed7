"""Content into vectors. Knows models; knows nothing of users, topics or the stream.

`base` is the contract; `hashing` needs no model; `topics` learns one from the catalogue's words; `transformer` runs
any BERT-like model, its micro-batches cut by `batching`; `cache` remembers texts by content hash; `projection` reduces
and whitens, versioned by content, as `reductions` finds it from the `moments` of the catalogue's vectors;
`attention_pooling` makes one vector of several.
"""
