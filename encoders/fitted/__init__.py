"""What is fitted to a catalog and kept in a file: projections, fusions, topics. Knows no text model."""
