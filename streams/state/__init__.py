"""Rows by key, and the records that restore them; `users` builds on it. Knows no Kafka client."""
