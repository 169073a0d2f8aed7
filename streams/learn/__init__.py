"""What is fitted or trained from data: projections, fusions, topics, text encoders. Knows no running worker."""
