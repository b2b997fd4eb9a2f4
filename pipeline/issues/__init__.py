"""What people decide about issues: their states and merges, as every worker follows them, and how they change."""
