"""Grouping: which issue an event belongs to, and why. See ``docs/grouping.md``."""

from __future__ import annotations

from pipeline.fingerprint.grouping import Grouping, digest
from pipeline.fingerprint.result import Frames, Grouped
from pipeline.fingerprint.rules import Rules

__all__ = ["Frames", "Grouped", "Grouping", "Rules", "digest"]
