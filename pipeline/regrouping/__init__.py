"""Grouping again what is stored: what would change, and changing it."""
