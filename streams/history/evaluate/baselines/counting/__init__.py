"""Baselines that count uses: of all users, of one user, or none at all."""
