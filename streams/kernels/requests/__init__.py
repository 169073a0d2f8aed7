"""Loops of a request for recommendations."""
