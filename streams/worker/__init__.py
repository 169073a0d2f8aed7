"""A running worker: who owns which partition, which thread does what, when a batch is acknowledged. Builds nothing."""
