"""What users did: canonical events, rejected records and where they came from. Knows no Kafka client and no model."""
