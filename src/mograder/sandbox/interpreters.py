"""Which directories a Python needs to run: what a sandbox must show, read-only, and no more."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from mograder.errors import SandboxError, exhausted


def own() -> tuple[Path, ...]:
    """The directories of the interpreter that runs this, its environment and this package."""
    package = Path(__file__).resolve().parents[2]
    found = [Path(sys.prefix), Path(sys.base_prefix), *_executable(Path(sys.executable))]
    return outermost([*found, *(path.resolve() for path in found), package])


def of_environment(environment: Path) -> tuple[Path, ...]:
    """The directories of a virtual environment and of the Python that it was made from.

    Read from ``pyvenv.cfg`` (PEP 405), nothing of it is run. Raises SandboxError when it is no environment.
    """
    try:
        lines = (environment / "pyvenv.cfg").read_text().splitlines()
    except OSError as error:
        reason = f"{error.strerror} (pyvenv.cfg)"
        raise exhausted(error) or SandboxError(
            "{environment} is no virtual environment: {reason}.", environment=environment, reason=reason
        ) from error
    settings = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    if "home" not in settings:
        raise SandboxError(
            "{environment} is no virtual environment: its pyvenv.cfg names no home.", environment=environment
        )
    bases = [environment, Path(settings["home"]).parent, *_executable(environment / "bin" / "python")]
    return outermost([*bases, *(path.resolve() for path in bases)])


def outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Without those that are in /usr (always there, but for /usr/local), or within another one, or missing."""
    wanted = sorted({path for path in paths if path.is_dir() and not _is_system(path)})
    return tuple(path for path in wanted if not any(other in path.parents for other in wanted))


def _executable(python: Path) -> list[Path]:
    """The installation behind a chain of links: every ``prefix/bin/python`` on the way is a prefix to show."""
    prefixes = []
    for _ in range(40):  # the kernel's own limit on links
        prefixes.append(python.parent.parent)
        if not python.is_symlink():
            return prefixes
        python = python.parent / python.readlink()
    raise SandboxError("{python} is a link without an end.", python=python)


def _is_system(path: Path) -> bool:
    return path == Path("/usr") or (Path("/usr") in path.parents and not path.is_relative_to("/usr/local"))
