"""What candidate sources that are asked about one user at a time are made of."""
