"""What every encoder promises, and how texts are cut into batches. Knows no model."""
