"""Methods that a recommender is judged against, each tuned: counts, neighbours, factors and content.

Each is a `Contender` over catalog rows. It knows the visits that it was told and nothing else. It may keep more than
a stream could: some of them keep every pair of items or every user's history. None runs in a worker.
"""
