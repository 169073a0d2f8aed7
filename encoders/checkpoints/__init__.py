"""Published models: finding, loading and describing them. Knows no encoder."""
