"""What uv says of packages that can not be had, as errors of ours: the package, the reason, the line that asks."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping

from packaging.utils import canonicalize_name

from mograder.environments.requirements import Requirements
from mograder.errors import EnvironmentFailed, IndexUnreachable, UnusablePackages
from mograder.sentences import Sentence

#: The longest reason that is shown whole, in characters; a resolver can explain itself over pages.
_REASON = 400

_NO_PACKAGE, _NO_VERSION = "was not found in the package registry", "there is no version of"
_REQUIRED = re.compile(r"you require ([A-Za-z0-9][A-Za-z0-9._-]*)")
_FAILED = re.compile(r"Failed to \w+[^`(]*[`(]([A-Za-z0-9][A-Za-z0-9._-]*)==")


def not_resolved(output: str, asked: Requirements) -> EnvironmentFailed:
    """Why ``asked`` has no lock, from what uv said."""
    said = " ".join(output.split())
    if error := _unreachable(output, said, asked.source):
        return error
    blamed = _REQUIRED.search(said)
    if blamed is None:
        kind = UnusablePackages if "No solution found" in said else EnvironmentFailed
        causes = _causes(output)
        return kind(
            "{source}: its packages can not be resolved: {causes}", source=asked.source, causes=causes
        )
    name = blamed[1].rstrip(".")
    reason = _reason(said) or said.partition("cause: ")[2].partition(" hint: ")[0][:_REASON] or said[:_REASON]
    where, which = asked.where(name), _asked(name, asked)
    return UnusablePackages(
        "{where}: {asked} can not be had: {reason}", where=where, asked=which, reason=reason
    )


def not_installed(output: str, pinned: Mapping[str, str], asked: Requirements) -> EnvironmentFailed:
    """Why a lock's packages (name -> version) could not be installed for a notebook that ``asked``."""
    said = " ".join(output.split())
    if error := _unreachable(output, said, asked.source):
        return error
    blamed = _FAILED.search(said) or _REQUIRED.search(said)
    reason = _reason(said)
    if blamed is None or reason is None:  # nothing that another version would change: the disk, a bug
        return EnvironmentFailed(
            "{source}: the packages could not be installed: {causes}",
            tip="if the item was published under another Python, publish it again.",
            source=asked.source,
            causes=_causes(output),
        )
    name = canonicalize_name(blamed[1].rstrip("."))
    which = f"{name} {pinned[name]}" if name in pinned else name
    return UnusablePackages(
        "{where}: {asked} can not be had: {reason}",
        tip="publish the item again: other versions are chosen then.",
        where=asked.where(name),
        asked=which,
        reason=reason,
    )


def is_denied(output: str) -> bool:
    """Whether uv was told by the index that there is no such version, or no such package at all."""
    said = " ".join(output.split())
    return any(words in said for words in (_NO_PACKAGE, _NO_VERSION))


def _unreachable(output: str, said: str, source: str) -> IndexUnreachable | None:
    if "network was disabled" in said or ("Failed to fetch" in said and "404 Not Found" not in said):
        return IndexUnreachable(
            "{source}: the package index can not be reached ({causes}).",
            retry_after=60,
            tip="check the network and uv's index settings, then try again.",
            source=source,
            causes=_causes(output),
        )
    return None


def _asked(name: str, asked: Requirements) -> str:
    key = canonicalize_name(name)
    wanted = [d for d in asked.dependencies if canonicalize_name(re.split(r"[^\w.-]", d)[0]) == key]
    return " and ".join(wanted) or name


def _reason(said: str) -> str | None:
    if _NO_PACKAGE in said:
        return Sentence("the index has no package of that name.")
    if re.search(r"you require \S+ and \S+, we can", said):
        return Sentence("these contradict each other.")
    if _NO_VERSION in said:
        return Sentence("the index has no such version.")
    if "wheels" in said:
        version = platform.python_version()
        return Sentence(
            "it has no ready-made wheel for Python {version} on this machine (nothing is built from source).",
            version=version,
        )
    if "Hash mismatch" in said:
        return Sentence(
            "the index has another file than the one that was looked at when the versions were chosen."
        )
    if "404 Not Found" in said:
        return Sentence("its file is not in the index any more.")
    return None


def _causes(output: str) -> str:
    causes = re.findall(r"^ *(?:error|cause): (.+)$", output, flags=re.MULTILINE)
    return "; ".join(causes)[:_REASON] or output[-_REASON:]
