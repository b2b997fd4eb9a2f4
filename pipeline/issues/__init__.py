"""What people decide about issues, and what follows: states, merges, what came back, and the alerts about it."""
