"""Environments with one version of marimo each, built by uv once and kept in the user's cache directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from mograder.environments import provided
from mograder.environments.uv import find_uv

#: The version that the product is developed with comes first; then the supported ones that differ most from it.
NEWEST = version("marimo")
VERSIONS = (NEWEST, "0.23.16", "0.20.4", "0.19.0")


def python_with_marimo(marimo: str, *, base: str = sys.executable, root: Path | None = None) -> Path:
    """The interpreter of an environment with this marimo, numpy, and this tree's part for environments.

    ``base`` is the Python that it is made from.
    """
    root = root or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mograder-tests"
    # Each checkout has its own: they hold our own part, which is different in each.
    tag = sha256(f"{Path(base).resolve()} {Path(__file__).resolve()}".encode()).hexdigest()[:8]
    place = root / f"marimo-{marimo}-{tag}"
    python = place / "bin" / "python"
    with _alone(place):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            _uv("venv", "--quiet", "--python", base, str(place))
            words = ("pip", "install", "--quiet", "--compile-bytecode", "-p", str(python))
            _uv(*words, f"marimo=={marimo}", "numpy")
            (place / "complete").touch()
        _provide(next(place.glob("lib/python3.*/site-packages")))
    return python


def packages(name: str, python: Path) -> Path:
    """A directory with one more package for ``python``, to be named in PYTHONPATH."""
    place = python.parents[2] / f"{name}-{python.parents[1].name.rpartition('-')[2]}"
    with _alone(place):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            _uv("pip", "install", "--quiet", "-p", str(python), "--target", str(place), name)
            (place / "complete").touch()
    return place


def find_python(version: str) -> str | None:
    """An installed Python of this version ("3.13"), wherever such things are kept; None if there is none."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    kept = [
        *Path.home().glob(f".pyenv/versions/{version}*/bin/python{version}"),
        Path(f"/usr/bin/python{version}"),
    ]
    kept += Path.home().glob(f".local/share/uv/python/cpython-{version}*/bin/python{version}")
    return next((str(path) for path in kept if path.exists()), None)


def _provide(site_packages: Path) -> None:
    """Replace our own part with today's, unless it is today's already: other test runs may be using it."""
    stamp = site_packages / "mograder" / f"{provided.digest()}.stamp"
    if stamp.exists():
        return
    shutil.rmtree(site_packages / "mograder", ignore_errors=True)
    for old in site_packages.glob("mograder-*.dist-info"):
        shutil.rmtree(old)
    provided.copy_into(site_packages)
    stamp.touch()


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Test files run beside each other, and want the same environments."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _uv(*words: str) -> None:
    # Not by name: who has the development tools need not have uv on the path.
    subprocess.run([str(find_uv()), *words], check=True, timeout=300)
