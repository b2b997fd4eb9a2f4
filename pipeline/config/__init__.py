"""The settings: one frozen struct, read once from ``aftershock.toml`` and the environment."""
