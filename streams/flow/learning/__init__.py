"""What a batch of users' events says of items, and the records that carry it. Knows nothing of the flow around it."""
