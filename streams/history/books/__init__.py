"""What `interestflow audit` counts: sources, canonical events, states, catalogue, and events that wait."""
