"""How Kafka is reached, read and logged in to. Knows nothing of users' states or of a worker's parts."""
