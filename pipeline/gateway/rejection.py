"""The one error of the gateway's pure parts: a request that is refused, with the HTTP status that says so."""

from __future__ import annotations

from pipeline.errors import Refused

STAGE = "gateway"


class Rejected(Refused):
    """A request that is refused.

    ``reason`` is sent to the client and holds nothing of the request. ``outcome`` is the word it is counted under.
    ``retry_after_s`` is set where trying again later may help, ``rate_limits`` where only some categories are limited
    (as in the header ``X-Sentry-Rate-Limits``).
    """

    def __init__(
        self, status: int, outcome: str, reason: str, *, retry_after_s: int | None = None, rate_limits: str = ""
    ) -> None:
        super().__init__(STAGE, reason)
        self.status = status
        self.outcome = outcome
        self.retry_after_s = retry_after_s
        self.rate_limits = rate_limits


def bad(reason: str) -> Rejected:
    """Return the rejection of something that is not in the protocol's form."""
    return Rejected(400, "malformed", reason)


def too_large(reason: str) -> Rejected:
    """Return the rejection of something that is over a limit."""
    return Rejected(413, "too_large", reason)
