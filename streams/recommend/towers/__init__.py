"""Two vectors of each item, learned from what users use next, by one worker alone or by all together."""
