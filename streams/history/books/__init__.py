"""What `interestflow audit` counts: sources, canonical events, states, catalog, and events that wait."""
