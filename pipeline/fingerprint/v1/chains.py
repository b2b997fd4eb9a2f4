"""Chained exceptions and exception groups: every link once, in an order that does not depend on scheduling."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.fingerprint.v1.browsers import common_wording
from pipeline.fingerprint.v1.known import is_overflow
from pipeline.fingerprint.v1.messages import Messages
from pipeline.fingerprint.v1.model import APP, Link
from schemas.event import ExceptionValue

_DEEPEST = 50
"""Exceptions of a chain that are looked at; retries can chain hundreds."""

# Exceptions that only carry another one across a thread, a reflective call or a framework.
_CARRIERS = frozenset(
    {
        "InvocationTargetException", "ExecutionException", "CompletionException", "UndeclaredThrowableException",
        "NestedServletException", "TargetInvocationException", "_RemoteTraceback", "RemoteTraceback",
    }
)  # fmt: skip
# Types that say nothing: Go's and Rust's generic errors are told apart by what they say.
_GENERIC_TYPES = frozenset(
    {
        "errorString", "wrapError", "wrapErrors", "fundamental", "withStack", "withMessage", "joinError", "Error",
        "errors.errorString", "fmt.wrapError", "fmt.wrapErrors", "errors.fundamental", "errors.withStack", "error",
        "errors.withMessage", "errors.joinError", "errors.Error", "xerrors.wrapError", "xerrors.errorString", "String",
    }
)  # fmt: skip
_TYPE_NOISE = re.compile(
    r"^(?:Uncaught )|`\d+.*$|@anonymous.*$|\$\d+$|\$\$(?:EnhancerBy|Lambda).*$|0x[0-9a-f]+", re.DOTALL
)
_ERROR_CODE = re.compile(r"\b(?:E[A-Z]{3,14}|ERR_[A-Z_]+)\b(?=:| |$)")
_TYPED_VALUE = re.compile(
    r"^(?:Uncaught (?:\(in promise\) )?)?(?P<type>[A-Z]\w*(?:Error|Exception|Warning|Fault)): (?P<rest>.*)", re.DOTALL
)


def text_of(value: object) -> str:
    """Return an exception's value as text; SDKs send numbers and booleans too."""
    if isinstance(value, str):
        return value
    return "" if value is None else str(value)


def type_of(exception: ExceptionValue, platform: str) -> tuple[str, str]:
    """Return type and value of an exception, the type taken out of the value where the SDK left it there."""
    type_, value = exception.type or "", text_of(exception.value)
    if not type_:
        found = _TYPED_VALUE.match(value)
        if found:
            return found["type"], found["rest"]
        return "", value
    if platform == "javascript" and len(type_) <= 2:
        # A class whose name the minifier shortened is called something else after the next build.
        type_ = "Error"
    if "$" in type_ or "`" in type_ or "@" in type_ or " " in type_ or "0x" in type_:
        type_ = _TYPE_NOISE.sub("", type_) or type_
    return type_, value


def link(exception: ExceptionValue, platform: str) -> Link:
    """Read one exception of a chain, its stack aside."""
    type_, value = type_of(exception, platform)
    if platform == "node" and type_ == "Error":
        # What Python says with a type, Node says with a code: ENOENT, ECONNREFUSED, ERR_HTTP_HEADERS_SENT.
        code = _ERROR_CODE.search(value[:200])
        type_ = f"Error {code[0]}" if code else type_
    overflow = is_overflow(type_, value)
    return Link("StackOverflow" if overflow else type_, value, exception.mechanism, overflow)


def chain_components(links: Sequence[Link], platform: str, messages: Messages) -> tuple[str, list[str], bool]:
    """Return the rule (``stacktrace``, ``message`` or ``type``) and the components of a chain, its cause first.

    And whether what the exceptions say was looked at.
    """
    if len(links) > 1:
        links = _uncarried(links[-_DEEPEST:])
    best = max(link.stack.tier for link in links) if len(links) > 1 else links[0].stack.tier
    sections = [_section(link, best, platform, messages) for link in links]
    components = sections[0] if len(links) == 1 else _arranged(links, sections)
    worded = any(_worded(link, best, platform) for link in links)
    if best >= 0:
        return "stacktrace", components, worded
    said = any(component.startswith("message: ") for component in components)
    return ("message" if said else "type"), components, worded


def _carries(link: Link) -> bool:
    return link.type.rpartition(".")[2] in _CARRIERS


def main_link(links: Sequence[Link]) -> int:
    """Return the position of the exception that people know the bug by: the last one that does not carry another."""
    return next((at for at in range(len(links) - 1, -1, -1) if not _carries(links[at])), len(links) - 1)


def _uncarried(links: Sequence[Link]) -> Sequence[Link]:
    if not any(map(_carries, links)):
        return links
    kept = [link for link in links if not _carries(link)]
    best = max(link.stack.tier for link in links)
    return kept if kept and max(link.stack.tier for link in kept) == best else links


def _section(link: Link, best: int, platform: str, messages: Messages) -> list[str]:
    """Return one exception's components: its type, and its frames or its message."""
    section = [f"type: {link.type}"] if link.type else []
    if link.stack.tier == best and best >= 0:
        section.extend(link.stack.labels)
    if link.value and _worded(link, best, platform):
        said = common_wording(link.value) if platform in ("javascript", "node") else None
        section.append(f"message: {said or messages.normal(link.value)}")
    return section


def _worded(link: Link, best: int, platform: str) -> bool:
    """Whether what an exception says tells it apart: where its frames do not, or none of it does."""
    if link.overflow:
        return False
    if link.stack.tier == best and best >= 0:
        return link.stack.weak or _needs_message(link, platform)
    return best != APP or _needs_message(link, platform)


def _needs_message(link: Link, platform: str) -> bool:
    """Whether only the message can tell this exception from another one at the same place."""
    if platform == "go" and link.type.lstrip("*") in _GENERIC_TYPES:
        return True
    mechanism = link.mechanism
    return platform in ("javascript", "node") and mechanism is not None and mechanism.synthetic is True


def _arranged(links: Sequence[Link], sections: Sequence[list[str]]) -> list[str]:
    """Return all sections in one list: chains in their order, members of a group sorted, repetitions once."""
    children = _members(links)
    in_groups = {at for members in children.values() for at in members}
    if not in_groups:
        return _once(sections)
    return _once([_with_members(at, sections, children, 0) for at in range(len(links)) if at not in in_groups])


def _members(links: Sequence[Link]) -> dict[int, list[int]]:
    """Return, for each exception group's position, the positions of its members and of their causes' heads."""
    position = {
        link.mechanism.exception_id: at
        for at, link in enumerate(links)
        if link.mechanism is not None and link.mechanism.exception_id is not None
    }
    found: dict[int, list[int]] = {}
    for at, link in enumerate(links):
        mechanism = link.mechanism
        if mechanism is None or mechanism.parent_id is None:
            continue
        parent = position.get(mechanism.parent_id)
        if parent is None or parent == at:
            continue
        above = links[parent].mechanism
        grouped = above is not None and above.is_exception_group is True
        # A member's own cause belongs to the member, wherever the SDK listed it.
        if (grouped and (mechanism.source or "exceptions").startswith(("exceptions", "errors", "InnerExceptions"))) or (
            not grouped and _inside_group(parent, links, position)
        ):
            found.setdefault(parent, []).append(at)
    return found


def _inside_group(at: int, links: Sequence[Link], position: dict[int, int]) -> bool:
    for _ in range(len(links)):
        mechanism = links[at].mechanism
        if mechanism is None or mechanism.parent_id is None:
            return False
        parent = position.get(mechanism.parent_id)
        if parent is None or parent == at:
            return False
        above = links[parent].mechanism
        if above is not None and above.is_exception_group:
            return True
        at = parent
    return False


def _with_members(at: int, sections: Sequence[list[str]], children: dict[int, list[int]], depth: int) -> list[str]:
    section = list(sections[at])
    members = children.get(at)
    if members and depth < _DEEPEST:
        inside = {tuple(_with_members(member, sections, children, depth + 1)) for member in members if member != at}
        for member in sorted(inside):
            section.append("member:")
            section.extend(member)
    return section


def _once(sections: Sequence[list[str]]) -> list[str]:
    """Return the sections one after the other, everything once.

    A retry fails the same way again, perhaps seen from a little further away; and whether a wrapping exception
    repeats the frames of its cause depends on what happened to be on the stack.
    """
    sets = [set(section) for section in sections]
    known: set[str] = set()
    components: list[str] = []
    for at, section in enumerate(sections):
        if _repeated(at, sections, sets):
            continue
        for component in section:
            if component in known and component.startswith(("frame: ", "line: ")):
                continue
            components.append(component)
        known.update(section)
    return components


def _repeated(at: int, sections: Sequence[list[str]], sets: Sequence[set[str]]) -> bool:
    """Whether another section of the same type says all that this one does; of two alike, the first stays."""
    mine = sets[at]
    return any(
        other != at
        and sections[other][:1] == sections[at][:1]
        and (mine < sets[other] or (mine == sets[other] and other < at))
        for other in range(len(sections))
    )
