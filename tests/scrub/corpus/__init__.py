"""Cases for the scrubber: what must go and what must stay, written from the public documentation of each format."""
