"""One encoder for many callers: queue, pool and cache. Knows no concrete encoder."""
