"""What the scrubber is told to do: kinds, methods, keys, patterns and exceptions, as frozen values.

A policy is read once, from the table ``[scrub]`` of ``aftershock.toml`` (see ``docs/scrubbing.md``), and
holds one policy more for each project and environment that has its own. ``Policy()`` is the default: every kind but
UUIDs is replaced by its name.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from pipeline.errors import PlaceOf
from pipeline.scrub.kinds import BODY, KINDS, OFF_BY_DEFAULT, VARIABLES
from pipeline.scrub.table import Table

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

    @classmethod
    def from_toml(
        cls,
        table: dict[str, Any],
        place_of: PlaceOf,
        hash_key: str = "",
    ) -> Policy:
        """Read the table ``[scrub]``; ``hash_key`` is the secret of the ``hash`` method.

        :raises Misconfigured: naming the place, the setting and the remedy.
        """
        return _read(Table(table, ("scrub",), place_of), cls(hash_key=hash_key))

    def method_of(self, kind: str) -> Method:
        """Return what becomes of findings of ``kind``."""
        return dict(self.methods).get(kind, self.method)

    @property
    def wanted(self) -> frozenset[str]:
        """Every kind of finding to act on: those looked for, the patterns' names, and what is not kept at all."""
        found = self.kinds | {pattern.name for pattern in self.patterns}
        if not self.keep_variables:
            found |= {VARIABLES}
        if not self.keep_bodies:
            found |= {BODY}
        return found - {"ip"} if self.ip == "keep" else found

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


def _read(table: Table, base: Policy) -> Policy:
    """Return ``base`` changed by a table; its lists are added to the base's."""
    table.only("kinds", "method", "ip", "keys", "patterns", "safe_fields", "allow", "keep_variables", "keep_bodies",
               "project", "environment")  # fmt: skip
    kinds, methods = _read_kinds(table.inner("kinds"), base)
    policy = replace(
        base,
        kinds=kinds,
        methods=methods,
        method=table.choice("method", METHODS, base.method),
        ip=table.choice("ip", IP_POLICIES, base.ip),
        keys=(*base.keys, *table.strings("keys")),
        safe_fields=(*base.safe_fields, *table.strings("safe_fields")),
        allow=(*base.allow, *table.strings("allow")),
        patterns=(*base.patterns, *(_read_pattern(entry) for entry in table.entries("patterns"))),
        keep_variables=table.flag("keep_variables", base.keep_variables),
        keep_bodies=table.flag("keep_bodies", base.keep_bodies),
        projects=(),
        environments=(),
    )
    if not policy.hash_key and "hash" in (policy.method, *dict(policy.methods).values()):
        raise table.wrong("method" if policy.method == "hash" else "kinds", "hash needs a key: set AFTERSHOCK_HASH_KEY")
    projects = tuple((name, _read(inner, policy)) for name, inner in table.named("project"))
    environments = tuple((name, _read(inner, policy)) for name, inner in table.named("environment"))
    return replace(policy, projects=projects, environments=(*environments, *_missing(base.environments, environments)))


def _missing(
    outer: tuple[tuple[str, Policy], ...], inner: tuple[tuple[str, Policy], ...]
) -> tuple[tuple[str, Policy], ...]:
    known = {name for name, _ in inner}
    return tuple((name, policy) for name, policy in outer if name not in known)


def _read_kinds(table: Table, base: Policy) -> tuple[frozenset[str], tuple[tuple[str, Method], ...]]:
    """Read ``[scrub.kinds]``: ``uuid = true``, ``phone = false``, ``email = "hash"``."""
    kinds, methods = set(base.kinds), dict(base.methods)
    table.only(*KINDS)
    for kind in table.names():
        value = table.value(kind)
        if isinstance(value, bool):
            (kinds.add if value else kinds.discard)(kind)
        else:
            methods[kind] = table.choice(kind, METHODS, base.method)
            kinds.add(kind)
    return frozenset(kinds), tuple(sorted(methods.items()))


def _read_pattern(table: Table) -> Pattern:
    table.only("name", "regex", "caseless")
    name = table.string("name", r"[a-z][a-z0-9_\-]{1,31}", "lower-case letters, digits, - and _, 2 to 32 of them")
    return Pattern(name=name, regex=table.expression("regex"), caseless=table.flag("caseless", False))
