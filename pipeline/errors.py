"""What can go wrong, split by what the caller does about it: refuse the input, retry, or stop.

* :class:`Refused`: this input cannot be used; it goes to the dead letters and the partition goes on.
* :class:`Unavailable`: a server did not answer or answered "not now"; the same work is tried again.
* :class:`AuthenticationFailed`: a server does not accept the credentials; the command ends if it has just started.
* :class:`Misconfigured`: a person has to change something; the command ends with a line that says what.
"""

from __future__ import annotations

from collections.abc import Callable

KeyPath = tuple[str | int, ...]
"""The keys and indexes that lead to a value of the settings, such as ``("rule", 0, "window")``."""
PlaceOf = Callable[[KeyPath], str]
"""Names where a value of the settings was written, such as ``other.toml:12``, for a :class:`Misconfigured`."""


class AftershockError(Exception):
    """Base of every error this project raises. ``exit_code`` is what the command line ends with."""

    exit_code = 1


class Refused(AftershockError):
    """An input that cannot be processed.

    ``stage`` names the stage that refused it, ``reason`` says which field and what to do about it. Neither may
    hold any of the input's own text, because both are logged and stored.
    """

    exit_code = 3

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason


class Unavailable(AftershockError):
    """A server that could not be reached or is not ready; trying again may help."""

    exit_code = 4


class AuthenticationFailed(Unavailable):
    """A server that answers and does not accept the credentials.

    At the start it ends the command: a person has to change a setting. In operation it is waited for like any other
    absence, since credentials are often changed on the server first.
    """

    exit_code = 2


class Misconfigured(AftershockError):
    """A setting, a file or an installation that a person has to mend; trying again does not help."""

    exit_code = 2
