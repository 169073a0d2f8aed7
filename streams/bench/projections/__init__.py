"""`interestflow bench projections`: which space of item vectors best predicts what a user does next.

`history` is a data set as arrays, `catalog` encodes its texts once, `spaces` are the ways to reduce them,
`pooling` the learned pooling of recent items, `ranking` judges, and `run` is one invocation.
"""
