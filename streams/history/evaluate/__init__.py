"""The judge of recommenders: ranks first, scores, and only then learns, strictly in time order.

`contender` has the contract that every method meets; the recommender that runs live is one contender among others.
"""
