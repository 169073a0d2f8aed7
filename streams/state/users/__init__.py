"""What only users have, on the store of rows by key: items consumed, events that wait, recommendations due."""
