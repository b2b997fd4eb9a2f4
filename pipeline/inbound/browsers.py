"""Browsers and crawlers, told from a User-Agent header. Pure."""

from __future__ import annotations

import re

from pipeline.inbound.known import OLDEST_BROWSERS

MOST_READ = 1000
"""How many characters of a User-Agent are read."""

_EXPLORER = re.compile(r"MSIE |Trident/")
# In this order: most name others besides themselves.
_VERSIONS = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("Opera Mini", r"Opera Mini/(\d{1,4})"),
        ("Edge", r"Edge/(\d{1,4})"),
        ("OPR", r"OPR/(\d{1,4})"),
        ("Opera", r"Opera[/ ](\d{1,4})"),
        ("Chrome", r"(?:Chrome|CriOS)/(\d{1,4})"),
        ("Firefox", r"(?:Firefox|FxiOS)/(\d{1,4})"),
        ("Android", r"Android (\d{1,4})[^)]{0,200}\) AppleWebKit/"),
        ("Safari", r"Version/(\d{1,4})[\d.]{0,20} (?:Mobile/\w{1,20} )?Safari/"),
    )
)
_CRAWLER = re.compile(
    r"(?<!\bcu)bot(?:\b|_)|crawl|spider|slurp|headlesschrome|phantomjs|lighthouse|pagespeed|pingdom|uptimerobot|"
    r"facebookexternalhit|mediapartners-google|google-read-aloud|googleother|bingpreview|embedly|whatsapp/|"
    r"applebot|site24x7|statuscake|datadogsynthetics|catchpoint|gtmetrix|ia_archiver|archive\.org|python-requests|"
    r"curl/|wget/",
)


def is_legacy(agent: str) -> bool:
    """Return whether a browser is older than the ones that today's pages are made for."""
    agent = agent[:MOST_READ]
    if _EXPLORER.search(agent):
        return True
    for name, pattern in _VERSIONS:
        found = pattern.search(agent)
        if found is not None:
            return int(found[1]) < OLDEST_BROWSERS[name]
    return False


def is_crawler(agent: str) -> bool:
    """Return whether it is a program that visits pages: a search engine's, a monitor's, a script."""
    return _CRAWLER.search(agent[:MOST_READ].lower()) is not None
