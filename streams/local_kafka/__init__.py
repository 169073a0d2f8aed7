"""A local Apache Kafka for the demo, tests and benchmarks. Never needed in production; knows no deployment."""
