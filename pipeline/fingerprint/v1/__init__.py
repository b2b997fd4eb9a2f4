"""Version 1 of the grouping algorithm. It is never changed once shipped: a better one stands beside it as v2."""

from __future__ import annotations

from pipeline.fingerprint.v1.algorithm import NAME, Algorithm

__all__ = ["NAME", "Algorithm"]
