"""What becomes of recommendations that were shown: their ids, the join, the counts, and what these teach."""
