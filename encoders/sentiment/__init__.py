"""What a text thinks of its subject, as one number. Knows no users."""
