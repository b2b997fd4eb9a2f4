"""How Aftershock runs."""
