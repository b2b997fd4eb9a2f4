"""What is stored whole, as data: ``[storage]`` and ``[[storage.for]]`` in the settings. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Events = Annotated[int, Meta(ge=1)]


class PlaceStorageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Other numbers for some projects: ``[[storage.for]]``. ``project`` is a glob; what is not set is as elsewhere."""

    project: str
    whole_per_issue_and_minute: Events | None = None
    then_one_in: Events | None = None


class StorageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How many events of an issue that makes noise are stored; all are counted.

    Of each issue and minute the first ``whole_per_issue_and_minute`` are, and one in ``then_one_in`` of those beyond:
    1 stores all of them. Of ``places`` the first that fits a project decides.
    """

    whole_per_issue_and_minute: Events = 1000
    then_one_in: Events = 100
    places: tuple[PlaceStorageSettings, ...] = msgspec.field(default=(), name="for")
