"""Names that a library does not promise and that this project leans on: looked for before anything is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from types import FunctionType

from pipeline.errors import Misconfigured


def require(distribution: str, bounds: str, names: Mapping[type, Iterable[str]]) -> None:
    """Make sure that a library's classes have methods and attributes of these names.

    Args:
        distribution: the library's name on the package index.
        bounds: the versions that were tested, as in ``pyproject.toml``.
        names: the names by class.

    Raises:
        Misconfigured: one is not there any more.
    """
    for of, wanted in names.items():
        for name in wanted:
            if not has(of, name):
                raise Misconfigured(
                    f"{distribution} {version(distribution)} has no {of.__name__}.{name}, which this version needs: "
                    f"pip install '{distribution}{bounds}'"
                )


def has(of: type, name: str) -> bool:
    """Say whether a class has a method or attribute, or a method that mentions one of that name."""
    if hasattr(of, name):
        return True
    methods = [one for base in of.__mro__ for one in vars(base).values() if isinstance(one, FunctionType)]
    return any(name in method.__code__.co_names for method in methods)
