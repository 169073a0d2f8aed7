"""Reasons that people read: through what each item was found, and a sentence that says so."""
