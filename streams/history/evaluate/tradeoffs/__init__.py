"""What a recommender trades accuracy for: what kind of lists it gives, and how both change with a setting."""
