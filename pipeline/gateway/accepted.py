"""The answer to almost every request, 200 with a short JSON body, as the bytes that aiohttp would make of it.

aiohttp fills a dictionary of headers, completes it, and writes it out for every answer. These differ by their length,
date and body alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion11, web


class Accepted(web.StreamResponse):
    """An answer with 200, for a request that :func:`fits`.

    Args:
        head: what :func:`head_of` makes of the headers.
        body: JSON.
    """

    def __init__(self, head: str, body: bytes) -> None:
        super().__init__()
        self._head = head
        self._json = body
        self._closes = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open."""
        return not self._closes

    def force_close(self) -> None:
        """Have the connection end with this answer."""
        self._closes = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send the whole answer."""
        close = "Connection: close\r\n" if self._closes else ""
        head = f"{self._head}Content-Length: {len(self._json)}\r\nDate: {_date(int(time.time()))}\r\n{close}\r\n"
        await request.writer.write(head.encode("ascii") + self._json)

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything was sent already."""


def fits(request: web.BaseRequest) -> bool:
    """Return whether such an answer would be the right one: over HTTP/1.1, the client keeps its connection."""
    return request.version == HttpVersion11 and request.keep_alive


def head_of(headers: Mapping[str, str]) -> str:
    """Return the beginning of such answers, with the headers that they all have."""
    lines = (f"{name}: {value}" for name, value in {**headers, "Content-Type": "application/json"}.items())
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, ""))


@lru_cache(maxsize=1)
def _date(now_s: int) -> str:
    return formatdate(now_s, usegmt=True)
