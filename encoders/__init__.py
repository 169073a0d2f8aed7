"""Content into vectors. Knows models; knows nothing of users, topics or the stream.

`base` is the contract; `hashing` needs no model; `transformer` runs any BERT-like model, its micro-batches cut
by `batching`; `pool` serves many callers by worker threads, in turns kept by `fair_queue`; `cache` remembers
texts by content hash; `projection` reduces and whitens, versioned by content.
"""
