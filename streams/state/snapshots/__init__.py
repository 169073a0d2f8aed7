"""A partition's state as one local file. Knows no Kafka client."""
