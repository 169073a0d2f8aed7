"""Content into vectors. Knows models; knows nothing of users, topics or the stream.

`core` is the contract; `fitted` is what is fitted to a catalog: projections, topics, the fusion of media;
`checkpoints` finds and loads models of transformers; `remote` asks a server; `serving` queues and remembers texts;
`text`, `onnx` and `media` run models; `sentiment` tells praise from complaint; `training` teaches.
"""

# Name -> factory(options: core.options.EncoderOptions) -> core.base.Encoder, beside the encoder that it makes.
BUILT_IN = {
    "hashing": "encoders.text.hashing:from_settings",
    "topics": "encoders.fitted.lda:from_settings",
    "onnx": "encoders.onnx.encoder:from_settings",
    "remote": "encoders.remote.encoder:from_settings",
    "transformers": "encoders.text.transformer:from_settings",
}
