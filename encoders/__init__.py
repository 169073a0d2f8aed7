"""Content into vectors. Knows models; knows nothing of users, topics or the stream.

`base` is the contract; `hashing` needs no model; `transformer` runs any BERT-like model, its micro-batches cut
by `batching`; `cache` remembers texts by content hash; `projection` reduces and whitens, versioned by content.
`image` and `media` take pictures, sound and film, whose bytes `sources` gets and `pictures` and `recordings` decode.
"""
