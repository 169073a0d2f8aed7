"""How a batch of events changes the states: `EventFolder` and its parts. Knows nothing of the flow around it."""
