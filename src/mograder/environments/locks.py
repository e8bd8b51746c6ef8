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

from mograder.environments.requirements import Requirements
from mograder.environments.uv import Uv, UvFailed, base_interpreter
from mograder.errors import EnvironmentFailed, Malformed
from mograder.sentences import Sentence

_HEADER = "# Resolved by mograder for Python {python}; marimo is always here, mograder itself is provided.\n"
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)(?: ; [^\\]*)?(?: \\)?"
)
_HASH = re.compile(r"    --hash=[a-z0-9]+:[0-9a-f]+(?: \\)?")

#: The longest reason that is shown whole, in characters; a resolver can explain itself over pages.
_REASON = 400


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
            raise _explain(error.output, requirements) from error
    return Lock(_HEADER.format(python=platform.python_version()) + text)


def _explain(output: str, requirements: Requirements) -> EnvironmentFailed:
    said = " ".join(output.split())
    blamed = re.search(r"you require ([A-Za-z0-9][A-Za-z0-9._-]*)", said)
    if "Failed to fetch" in said or "network was disabled" in said:
        return EnvironmentFailed(
            "{source}: the package index can not be reached ({causes}).",
            tip="check the network and uv's index settings, then try again.",
            source=requirements.source,
            causes=_causes(output),
        )
    if not blamed:
        return EnvironmentFailed(
            "{source}: its packages can not be resolved: {causes}",
            source=requirements.source,
            causes=_causes(output),
        )
    name = blamed[1].rstrip(".")
    return EnvironmentFailed(
        "{where}: {asked} can not be had: {reason}",
        where=requirements.where(name),
        asked=_asked(name, requirements),
        reason=_reason(said),
    )


def _asked(name: str, requirements: Requirements) -> str:
    key = canonicalize_name(name)
    asked = [d for d in requirements.dependencies if canonicalize_name(re.split(r"[^\w.-]", d)[0]) == key]
    return " and ".join(asked) or name


def _reason(said: str) -> str:
    version = platform.python_version()
    if "was not found in the package registry" in said:
        return Sentence("the index has no package of that name.")
    if "you require" in said and re.search(r"you require \S+ and \S+, we can", said):
        return Sentence("these contradict each other.")
    if "there is no version of" in said:
        return Sentence("the index has no such version.")
    if "wheels" in said:
        return Sentence(
            "it has no ready-made wheel for Python {version} on this machine (nothing is built from source).",
            version=version,
        )
    return said.partition("cause: ")[2].partition(" hint: ")[0][:_REASON] or said[:_REASON]


def _causes(output: str) -> str:
    causes = re.findall(r"^ *(?:error|cause): (.+)$", output, flags=re.MULTILINE)
    return "; ".join(causes)[:_REASON] or output[-_REASON:]
