"""What reads the counts that others keep, whenever the metrics are read, and never steers them."""

PREFIX = "interestflow_"
