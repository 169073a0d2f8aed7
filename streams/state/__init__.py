"""What is known of users, and how it survives: rows in memory, their changelog, and coming back from it."""
