"""Every grouping algorithm that was ever shipped, by name; each project says which it uses."""

from __future__ import annotations

from pipeline.fingerprint import v1

VERSIONS = {v1.NAME: v1.Algorithm}
NEWEST = v1.NAME
"""What a project uses that does not say."""
