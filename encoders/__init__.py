"""Content into vectors. Knows models; knows nothing of users, topics or the stream.

`base` is the contract; `hashing` needs no model; `transformer` runs any BERT-like model, its micro-batches cut
by `batching`; `cache` remembers texts by content hash; `projection` reduces and whitens, versioned by content.
`sentiment` is the contract of what tells praise from complaint; `sentiment_lexicon` and `sentiment_classifier` do.
by `batching`; `remote` asks an `embeddings_server`, behind a `circuit` breaker; `cache` remembers texts by content
hash, `cache_store` beyond the process; `projection` reduces and whitens, versioned by content.
"""
