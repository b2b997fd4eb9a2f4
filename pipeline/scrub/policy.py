"""What the scrubber is told to do: kinds, methods, keys, patterns and exceptions, as frozen values.

A policy is read once, from the table ``[scrub]`` of ``aftershock.toml`` (see :mod:`pipeline.scrub.settings`), and holds
overrides for projects and environments. ``Policy()`` is the default: every kind but UUIDs is replaced by its name.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from pipeline.scrub.kinds import KINDS, OFF_BY_DEFAULT

Method = Literal["replace", "remove", "mask", "hash"]
"""What becomes of a finding: ``[email]``, nothing, ``****@*******.***``, or ``[email:<keyed hash>]``."""

METHODS: tuple[Method, ...] = ("replace", "remove", "mask", "hash")
IpPolicy = Literal["drop", "truncate", "keep"]
IP_POLICIES: tuple[IpPolicy, ...] = ("drop", "truncate", "keep")


class Pattern(Struct, frozen=True):
    """An expression of the user's own; what it matches is replaced under ``name``."""

    name: str
    regex: str
    caseless: bool = False


class Policy(Struct, frozen=True, kw_only=True):
    """What to look for and what to do with it.

    * ``kinds``: the kinds to look for (names in :data:`pipeline.scrub.kinds.KINDS`).
    * ``method``: what becomes of a finding; ``methods`` says otherwise for single kinds.
    * ``hash_key``: the key of the ``hash`` method, so that equal values stay equal without being known.
    * ``keys``: more keys whose whole value is blanked; ``patterns``: more expressions.
    * ``safe_fields``: keys (``order_ref``) or paths (``extra.build``, ``tags.*``) whose values are left as they are.
    * ``allow``: values that are left as they are: exact, ``*@example.com``, or a network such as ``10.0.0.0/8``.
    * ``ip``: what becomes of IP addresses; ``truncate`` keeps the network (/24, /48).
    * ``keep_variables``, ``keep_bodies``: whether frames' local variables and request bodies are kept at all.
    * ``projects``, ``environments``: policies that replace this one; a project's own environments come first.
    """

    kinds: frozenset[str] = frozenset(KINDS) - OFF_BY_DEFAULT
    method: Method = "replace"
    methods: tuple[tuple[str, Method], ...] = ()
    hash_key: str = ""
    keys: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    safe_fields: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    ip: IpPolicy = "drop"
    keep_variables: bool = True
    keep_bodies: bool = True
    projects: tuple[tuple[str, Policy], ...] = ()
    environments: tuple[tuple[str, Policy], ...] = ()

    def method_of(self, kind: str) -> Method:
        """Return what becomes of findings of ``kind``."""
        return dict(self.methods).get(kind, self.method)

    def effective(self, project: str, environment: str) -> Policy:
        """Return the policy for one project and environment, without overrides inside."""
        chosen = dict(self.projects).get(project, self)
        chosen = dict(chosen.environments).get(environment, chosen)
        return replace(chosen, projects=(), environments=())

    def variants(self) -> list[Policy]:
        """Return every policy that :meth:`effective` can return."""
        found = [replace(self, projects=(), environments=())]
        for _, inner in (*self.projects, *self.environments):
            found += inner.variants()
        return found
