"""A recommender that learns from what users do next: columns of the candidates, rankers, and both put together.

It knows no topic and no worker. What it has learned are parameters that a worker may publish, merge and resume.
"""
