"""What becomes of the messages of each topic but errors and spans: rows of its tables."""
