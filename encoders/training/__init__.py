"""Learning an encoder's parts from pairs of items. Knows no Kafka and no users."""
