"""What happens to a batch: decode, encode, update, recommend. Start with flow.py. Knows no Kafka, clock or thread."""
