"""What the judge found, for people and programs: figures with intervals, a page, and pictures."""
