"""Where a worker reads its sources on, and whether they are still the topics that they were. Knows no user's state."""
