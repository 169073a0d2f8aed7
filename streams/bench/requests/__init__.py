"""What a recommendation costs as the catalog grows, and how many of the nearest items an index finds."""
