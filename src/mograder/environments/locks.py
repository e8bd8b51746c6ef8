"""Requirements resolved to exact versions with their hashes: the lock, a text that is kept with a release."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mograder.environments.explain import not_resolved
from mograder.environments.requirements import Requirements
from mograder.environments.uv import Uv, UvFailed, base_interpreter
from mograder.errors import Malformed, UnusablePackages

OLDEST_MARIMO = "0.19"
"""The oldest marimo that sessions are proven on: what an older one does with a student's file is not known."""

_HEADER = "# Resolved by mograder for Python {python}; marimo is always here, mograder itself is provided.\n"
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)(?: ; [^\\]*)?(?: \\)?"
)
_HASH = re.compile(r"    --hash=[a-z0-9]+:[0-9a-f]+(?: \\)?")


@dataclass(frozen=True)
class Lock:
    """One resolved set of packages. ``text`` is all there is to keep; build from it again with ``Lock``.

    Raises ``Malformed`` for a text that is more than exact versions and hashes: a lock lies in a folder that
    people edit, and an option or an address in it would reach uv.
    """

    text: str

    def __post_init__(self) -> None:
        for number, line in enumerate(self.text.splitlines(), start=1):
            if line and not line.startswith("#") and not _PIN.fullmatch(line) and not _HASH.fullmatch(line):
                raise Malformed(
                    "Line {number} of the lock is not a pinned package: {line}.",
                    number=number,
                    line=f"{line[:80]!r}",
                )
        if "marimo" not in self.packages:
            raise Malformed("The lock does not have marimo in it.", tip="publish the item again.")

    @cached_property
    def packages(self) -> dict[str, str]:
        """Normalised package name -> exact version, in the order of the text."""
        pins = (_PIN.fullmatch(line) for line in self.text.splitlines())
        return {canonicalize_name(pin["name"]): pin["version"] for pin in pins if pin}

    @property
    def marimo_version(self) -> str:
        """The marimo that sessions with this lock run."""
        return self.packages["marimo"]

    def check_marimo(self, asked: Requirements) -> None:
        """Raise ``UnusablePackages``, with the line of ``asked``, if its marimo is too old for sessions."""
        try:
            too_old = Version(self.marimo_version) < Version(OLDEST_MARIMO)
        except InvalidVersion:
            too_old = True  # no marimo that there ever was
        if too_old:
            raise UnusablePackages(
                "{where}: marimo {version} is too old for the hub, which needs {oldest} or newer.",
                tip='write "marimo", or "marimo>={oldest}", in the header of the notebook.',
                where=asked.where("marimo"),
                version=self.marimo_version,
                oldest=OLDEST_MARIMO,
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of what the lock says; comments do not count."""
        said = "\n".join(line for line in self.text.splitlines() if line and not line.startswith("#"))
        return hashlib.sha256(said.encode()).hexdigest()


def hub_marimo_version() -> str:
    """The version of marimo that was installed with mograder."""
    return importlib.metadata.version("marimo")


def resolve(
    requirements: Requirements, *, uv_cache_dir: Path | None = None, directory: Path | None = None
) -> Lock:
    """The newest versions that fit ``requirements`` and each other, on this machine's Python.

    Only ready-made wheels of the index that uv is configured for: building one would run a stranger's code
    with the hub's rights. ``directory``, and those above it, is where uv looks for a ``uv.toml`` (default: the
    root directory). 0.5 s with a warm cache. Raises ``EnvironmentFailed`` with the package, reason and line.
    """
    requirements.check_python()
    with tempfile.TemporaryDirectory(prefix="mograder-resolve-") as scratch:
        wanted = Path(scratch) / "requirements.in"
        wanted.write_text("".join(f"{line}\n" for line in requirements.with_marimo(hub_marimo_version())))
        words = ["pip", "compile", str(wanted), "--python", base_interpreter(), "--generate-hashes"]
        words += ["--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet"]
        try:
            text = Uv(directory or Path("/"), uv_cache_dir).run(words)
        except UvFailed as error:
            raise not_resolved(error.output, requirements) from error
    lock = Lock(_HEADER.format(python=platform.python_version()) + text)
    lock.check_marimo(requirements)
    return lock
