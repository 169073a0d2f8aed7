"""Which items may have the largest products with a vector, at less than the price of all products."""
