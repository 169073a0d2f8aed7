"""`interestflow bench encoders`: our encoders beside sentence-transformers, on the same texts in turn.

`texts` says what is encoded, `contenders` who encodes, `bound` what the machine could do at most, `quality` what
is measured on the CPU, `device` from raw texts and from token ids; `run` is one invocation.
"""
