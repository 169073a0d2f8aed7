"""What is kept of items: rows by item, on the same store as the users'."""
