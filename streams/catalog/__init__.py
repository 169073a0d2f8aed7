"""Item records, their embeddings, and what has to be encoded again. Knows no Kafka client and no worker."""
