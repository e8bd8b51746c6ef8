"""What packages a notebook asks for, read from its PEP 723 block."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from mograder.errors import UnusablePackages
from mograder.notebook import metadata


@dataclass(frozen=True, slots=True)
class Requirements:
    """The packages of one notebook, in one order however they were written.

    ``dependencies`` are normalised PEP 508 strings, sorted, without ``mograder`` (ours is provided, never
    downloaded). ``requires_python`` is a version specifier or empty. ``source`` and ``lines`` (package name
    -> line in the notebook, from 1) are for messages only: they do not count when two are compared.
    """

    dependencies: tuple[str, ...] = ()
    requires_python: str = ""
    source: str = field(default="notebook", compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def from_notebook(cls, text: str, *, name: str = "notebook") -> Requirements:
        """The requirements in the header of the notebook ``text``; ``name`` is what messages call it.

        Raises ``Malformed`` if the header is not TOML, ``UnusablePackages`` if it asks for something that is
        no package of an index (an address or a path would let a notebook choose what the hub reads).
        """
        block = metadata.read(text, name)
        lines: dict[str, int] = {}
        wanted: set[str] = set()
        for entry in _strings(block.get("dependencies", []), name):
            line = _line_of(text, entry)
            package = _package(entry, f"{name}:{line}")
            key = canonicalize_name(package.name)
            if key != "mograder":
                wanted.add(str(package))
                lines.setdefault(key, line)
        return cls(tuple(sorted(wanted)), _python_range(block, name), name, lines)

    @property
    def packages(self) -> frozenset[str]:
        """The names of what is asked for, normalised."""
        return frozenset(canonicalize_name(Requirement(entry).name) for entry in self.dependencies)

    def where(self, package: str) -> str:
        """``file:line`` at which ``package`` is asked for; the file alone if that is not known."""
        line = self.lines.get(canonicalize_name(package))
        return f"{self.source}:{line}" if line else self.source

    def with_marimo(self, version: str) -> tuple[str, ...]:
        """The dependencies with marimo at ``version``, unless the notebook insists on another one."""
        packages = [Requirement(dependency) for dependency in self.dependencies]
        marimo = [package for package in packages if canonicalize_name(package.name) == "marimo"]
        others = [str(package) for package in packages if package not in marimo]
        if any(not package.specifier.contains(version, prereleases=True) for package in marimo):
            return self.dependencies
        extras = sorted(set().union(*(package.extras for package in marimo)))
        return tuple(sorted([*others, f"marimo{'[' + ','.join(extras) + ']' if extras else ''}=={version}"]))

    def check_python(self, version: str = platform.python_version()) -> None:
        """Raise ``UnusablePackages`` if the notebook can not run on Python ``version``."""
        if self.requires_python and not SpecifierSet(self.requires_python).contains(
            version, prereleases=True
        ):
            raise UnusablePackages(
                "{source} asks for Python {wanted}, and the hub runs Python {version}.",
                tip="change requires-python in the notebook, or install mograder with that Python.",
                source=self.source,
                wanted=self.requires_python,
                version=version,
            )


def _strings(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise UnusablePackages("dependencies in {name} must be a list of strings.", name=name)
    return [str(entry) for entry in value]


def _package(entry: str, where: str) -> Requirement:
    try:
        package = Requirement(entry)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise UnusablePackages(
            "{where}: {entry} is not a package requirement: {reason}.",
            where=where,
            entry=f"{entry!r}",
            reason=reason,
        ) from error
    if package.url:
        raise UnusablePackages(
            "{where}: {name} is asked for by its address; only the index is used.",
            tip='write "{name}" or "{name}==VERSION".',
            where=where,
            name=package.name,
        )
    return package


def _python_range(block: Mapping[str, Any], name: str) -> str:
    value = block.get("requires-python", "")
    try:
        return str(SpecifierSet(value)) if isinstance(value, str) else str(SpecifierSet(str(value)))
    except InvalidSpecifier as error:
        raise UnusablePackages(
            "requires-python = {value} in {name} is not a range of versions.", value=f"{value!r}", name=name
        ) from error


def _line_of(text: str, entry: str) -> int:
    """The first line that holds ``entry`` in quotes (line 1 if it was written with escapes)."""
    for number, line in enumerate(text.splitlines(), start=1):
        if f'"{entry}"' in line or f"'{entry}'" in line:
            return number
    return 1
