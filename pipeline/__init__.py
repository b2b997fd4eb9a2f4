"""Error tracking as a stream: each package is a room, and imports go one way through them (docs/architecture.md)."""

__version__ = "0.1.0"
