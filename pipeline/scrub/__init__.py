"""The scrubber: removes personal data and secrets from events before anything of them is kept.

Pure: bytes in, bytes out. One pass of a multi-pattern engine finds candidates, exact checks decide there.
"""

from pipeline.scrub.policy import Pattern, Policy
from pipeline.scrub.scrubber import Scrubbed, Scrubber

__all__ = ["Pattern", "Policy", "Scrubbed", "Scrubber"]
