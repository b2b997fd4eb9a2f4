# Written by `python -m schemas.export` from schemas/issue_change.py: edit that one.
"""The issue-change contract, version 1: JSON on ``issue-changes``, the state that somebody wishes an issue to have.

The key is ``project/fingerprint``. The topic is compacted and the latest message for an issue is the one that counts,
so a message says everything: who changes one thing sends the rest as it was. A message without a value takes back all
of it. What becomes of an issue afterwards (it regresses, it is not ignored any more) is not written here.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

ISSUE_CHANGE_VERSION = 1

MOST_USERS = 10_000
"""The largest ``until_users``: the users of an ignored issue are remembered one by one."""

Status = Literal["open", "resolved", "ignored"]
Deleted = Literal["", "once", "discard"]

Fingerprint = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Name = Annotated[str, Meta(max_length=200)]
Moment = Annotated[datetime, Meta(tz=True)]


class IssueChange(Struct, kw_only=True, frozen=True):
    """The state that somebody wishes an issue to have.

    * ``version``: :data:`ISSUE_CHANGE_VERSION`.
    * ``project``, ``fingerprint``: the issue, as in ClickHouse.
    * ``id``: names the latest change of ``status`` or ``deleted``, in up to 64 characters: a new one for each, the same
      one when only the assignee or the merge changes. An issue comes back at most once for an id.
    * ``changed_at``: when that was: only events that happened later bring the issue back.
    * ``status``: ``open``, ``resolved`` or ``ignored``.
    * ``in_release``: with ``resolved``: the release that has the fix. Events of it or of a later one bring the issue
      back, events of earlier ones do not.
    * ``after_release``: with ``resolved``: the fix comes with the release after this one; only later ones count.
    * ``release_first_seen``: when that release was first heard of, for releases whose names have no order.
    * ``until_count``, ``until_users``, ``until``: with ``ignored``: until so many more events, events of so many
      different users, or this time. Whichever is first; without any of them, for good.
    * ``assignee``: who looks after it; empty for nobody.
    * ``merged_into``: the fingerprint of the issue of the same project that this one is part of, best of one that is
      not merged itself; empty for none.
    * ``deleted``: ``once``: an event that happens later makes it a new issue. ``discard``: later events are dropped.
    * ``updated_at``, ``updated_by``: when and by whom this message was made.
    """

    version: int = ISSUE_CHANGE_VERSION
    project: Annotated[str, Meta(min_length=1, max_length=200)]
    fingerprint: Fingerprint
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    changed_at: Moment
    status: Status = "open"
    in_release: Name = ""
    after_release: Name = ""
    release_first_seen: Moment | None = None
    until_count: Annotated[int, Meta(ge=1)] | None = None
    until_users: Annotated[int, Meta(ge=1, le=MOST_USERS)] | None = None
    until: Moment | None = None
    assignee: Name = ""
    merged_into: Annotated[str, Meta(pattern="^([0-9a-f]{32})?$")] = ""
    deleted: Deleted = ""
    updated_at: Moment | None = None
    updated_by: Name = ""

    @property
    def changed_ms(self) -> int:
        """``changed_at`` in milliseconds since the epoch."""
        return round(self.changed_at.timestamp() * 1000)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(IssueChange)

_FIELD = re.compile(r"- at `\$\.(?P<field>\w+)")
_MISSING = re.compile(r"missing required field `(?P<field>\w+)`")
_TIME = "an RFC 3339 time with its offset, such as 2026-09-21T14:15:20Z"
_REMEDIES = {
    "version": f"the number {ISSUE_CHANGE_VERSION}",
    "project": "a text of 1 to 200 characters",
    "fingerprint": "32 lower-case hexadecimal digits",
    "id": "a text of 1 to 64 characters, new for each change of status",
    "changed_at": _TIME,
    "status": "one of open, resolved, ignored",
    "release_first_seen": _TIME,
    "until_count": "a whole number from 1",
    "until_users": f"a whole number from 1 to {MOST_USERS}",
    "until": _TIME,
    "merged_into": "32 lower-case hexadecimal digits, or an empty text",
    "deleted": "one of once, discard, or an empty text",
    "updated_at": _TIME,
}
_ONLY_WITH = {
    "in_release": "resolved",
    "after_release": "resolved",
    "until_count": "ignored",
    "until_users": "ignored",
    "until": "ignored",
}


def key_of(project: str, fingerprint: str) -> bytes:
    """Return the key of an issue's messages."""
    return f"{project}/{fingerprint}".encode()


def issue_of(key: bytes | None) -> tuple[str, str]:
    """Return project and fingerprint of a key.

    Raises :class:`ValueError` when it is not ``project/fingerprint``.
    """
    project, slash, fingerprint = (key or b"").decode("utf-8", "replace").rpartition("/")
    if not slash or not project or not re.fullmatch("[0-9a-f]{32}", fingerprint):
        raise ValueError("issue change: the key is not project/fingerprint: write the fingerprint in 32 digits")
    return project, fingerprint


def encode_issue_change(change: IssueChange) -> bytes:
    """Return the change as UTF-8 JSON, keys in the order of the fields."""
    return _encoder.encode(change)


def decode_issue_change(key: bytes | None, value: bytes) -> IssueChange:
    """Return the change in a message; unknown fields are skipped.

    Raises :class:`ValueError`, without any of the content, that names the field and what to write there.
    """
    issue = issue_of(key)
    try:
        change = _decoder.decode(value)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error)) or _MISSING.search(str(error))
        if found is None:
            raise ValueError("issue change: must be a JSON object: see schemas/json/issue-change.schema.json") from None
        remedy = _REMEDIES.get(found["field"], "a text of at most 200 characters")
        raise _wrong(found["field"], f"must be {remedy}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("issue change: is not JSON: send one JSON object in UTF-8") from None
    check_issue_change(change)
    if (change.project, change.fingerprint) != issue:
        raise ValueError("issue change: project or fingerprint is not the key's: the key must be project/fingerprint")
    return change


def check_issue_change(change: IssueChange) -> None:
    """Check what the fields' types do not say.

    Raises :class:`ValueError`, without any of the content, that names the field and what to write there.
    """
    if change.version != ISSUE_CHANGE_VERSION:
        raise _wrong("version", f"must be the number {ISSUE_CHANGE_VERSION}")
    for field, status in _ONLY_WITH.items():
        if getattr(change, field) and change.status != status:
            raise _wrong(field, f"has a meaning only with the status {status}: leave it out")
    if change.in_release and change.after_release:
        raise _wrong("after_release", "cannot stand beside in_release: leave one of them out")
    # The patterns, as JSON Schema writes them, let a line break pass at the end.
    for field in ("fingerprint", "merged_into"):
        if getattr(change, field).endswith("\n"):
            raise _wrong(field, f"must be {_REMEDIES[field]}")
    if change.merged_into == change.fingerprint:
        raise _wrong("merged_into", "is the issue itself: name another one of the project, or leave it empty")
    if change.deleted and change.status != "open":
        raise _wrong("deleted", "goes with the status open alone")


def _wrong(field: str, problem: str) -> ValueError:
    return ValueError(f"issue change: the field {field} {problem}")
