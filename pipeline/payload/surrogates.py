"""Whether a JSON text escapes half of a surrogate pair, which only with its other half stands for a character.

Every message is asked, and nearly none does. Compiled (see ``_surrogates.c``), many bytes are looked at at once.
"""

from __future__ import annotations

import re

try:
    from pipeline.payload._surrogates import escapes_surrogate
except ImportError:
    _ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")

    def escapes_surrogate(text: bytes) -> bool:
        r"""Say whether there is an escape from ``\ud800`` to ``\udfff``, of a pair or not."""
        return _ESCAPE.search(text) is not None


__all__ = ["escapes_surrogate"]
