"""Many events by column. Knows no state and no item."""
