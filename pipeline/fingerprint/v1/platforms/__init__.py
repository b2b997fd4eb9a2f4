"""The platforms whose frames this version can read, by the names that SDKs give them."""

from __future__ import annotations

from pipeline.fingerprint.v1.model import Platform
from pipeline.fingerprint.v1.platforms import csharp, go, javascript, jvm, native, other, php, python, ruby, rust

PLATFORMS: dict[str, Platform] = {
    "python": python.PLATFORM,
    "javascript": javascript.BROWSER,
    "node": javascript.NODE,
    "java": jvm.PLATFORM,
    "kotlin": jvm.PLATFORM,
    "groovy": jvm.PLATFORM,
    "scala": jvm.PLATFORM,
    "go": go.PLATFORM,
    "ruby": ruby.PLATFORM,
    "php": php.PLATFORM,
    "csharp": csharp.PLATFORM,
    "dotnet": csharp.PLATFORM,
    "rust": rust.PLATFORM,
    "native": native.PLATFORM,
    "c": native.PLATFORM,
    "objc": native.PLATFORM,
    "cocoa": native.PLATFORM,
    "swift": native.PLATFORM,
    "elixir": other.ELIXIR,
    "dart": other.DART,
    "flutter": other.DART,
    "perl": other.OTHER,
    "other": other.OTHER,
}


def platform_of(name: str | None) -> Platform:
    """Return the platform of that name; an unknown or missing one is read as far as all platforms agree."""
    return PLATFORMS.get(name or "other", other.OTHER)
