"""Verbs about recommenders and what they learn."""
