"""Users' states as rows by key, and the records that restore them. Knows no Kafka client."""
