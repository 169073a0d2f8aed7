"""Pictures, sound and film: where their bytes come from, and what turns them into vectors."""
