"""Baselines that learn a model of all users and items: refitted in intervals, or by a step per event."""
