"""Kafka records and record batches as bytes: what is said of them outside, and what is in them. No I/O."""
