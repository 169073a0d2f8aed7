"""What happens to a ranked list before it is given out: what lifts cold items, diversity, exploration, dislikes.

Each step is off by default. Each says in a term of its own by how much it has changed a score, so that the terms go on
adding up; and none makes a score rise along the list.
"""
