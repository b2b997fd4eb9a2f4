"""The demo's programs: small and real, each under ``sentry_sdk`` with events going straight into Kafka.

Every name, address, card and phone number in them is invented, from the ranges that are kept for examples.
"""
