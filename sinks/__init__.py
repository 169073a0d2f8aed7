"""Records into the world: one destination per file, one contract suite for all.

Knows how to deliver; knows nothing of models, encoders or the stream.
"""
