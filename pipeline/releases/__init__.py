"""Releases: their order, and what is known of them."""
