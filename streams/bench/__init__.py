"""Measurements of the product beside its peers, on a local Apache Kafka. Production never imports it."""
