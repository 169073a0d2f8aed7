"""Which rows stay in memory when it is bounded, and the local file for the others. Knows no Kafka client."""
