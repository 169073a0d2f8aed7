"""Candidate sources that read what the stream has learned of items, one file each.

Each follows `recommend.base.CandidateSource`; all but `cold` also score the candidates of others, by `scores`. The
contract suite in tests/contracts runs over every one of them.
"""
