"""Ruby's frames: blocks and rescues of a method, and the labels that 3.4 qualifies with their class."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import ANONYMOUS, APP, LIBRARY, RUNTIME, Platform
from pipeline.fingerprint.v1.paths import normal_path
from schemas.event import Frame

_WITHIN = re.compile(r"^(?:(?:block|rescue|ensure)(?: \(\d+ levels\))? in )+")
_TEMPLATE = re.compile(r"_{2,}-?\d+_\d+$")
_TOP = re.compile(r"^<(?:main|top \(required\)|class:.*|module:.*|singleton class.*)>$")
_DIGITS = re.compile(r"_\d{3,}|(?<=_)[0-9a-f]{12,}")

_STANDARD = re.compile(r"(?:^|/)lib/ruby/(?:\d[\d.]*|vendor_ruby|site_ruby)/|^<internal:|/rubies/[^/]+/lib/ruby/\d")
_INSTALLED = re.compile(
    r"(?:^|/)gems/[^/]+-\d|/bundler/gems/|(?:^|/)vendor/(?:bundle|ruby|gems)/|(?:^|/)\.(?:rbenv|rvm|asdf)/|(?:^|/)bin/(?:rails|bundle|rake|rspec|puma|sidekiq|unicorn)$"
)


def _name(function: str, _frame: Frame) -> str:
    function = _WITHIN.sub("", function.strip("'`"))
    if _TOP.match(function):
        return "<top>"
    # 3.4 writes `Orders::Create#call`, earlier versions `call`.
    for sign in ("#", "."):
        head, found, tail = function.rpartition(sign)
        if found and head[:1].isupper():
            function = tail
            break
    function = _TEMPLATE.sub("", function)
    return _DIGITS.sub("", function) or ANONYMOUS


def _place(frame: Frame) -> str:
    return normal_path(frame.filename or frame.abs_path or frame.module or "")


def _nearness(frame: Frame) -> int:
    path = frame.abs_path or frame.filename or ""
    short = frame.filename or path
    if _INSTALLED.search(path) or _INSTALLED.search(short):
        return LIBRARY
    if _STANDARD.search(path) or _STANDARD.search(short):
        return RUNTIME
    return APP


PLATFORM: Platform = Platform("ruby", _name, _place, _nearness)
