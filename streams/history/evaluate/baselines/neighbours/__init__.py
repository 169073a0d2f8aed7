"""Baselines that rank what lies near: items used by the same users, in the same sessions, by users alike."""
