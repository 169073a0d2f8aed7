"""Metrics, health, retries, log lines and the process itself. Knows nothing of topics or of a worker's parts."""
