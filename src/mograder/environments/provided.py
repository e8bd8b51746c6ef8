"""The part of mograder that every environment gets as a copy: what notebooks and sessions import."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import mograder

#: Modules and packages of ours that run in a notebook's environment; they import nothing else of ours.
PARTS = ("__init__.py", "py.typed", "errors.py", "sentences.py", "runtime", "marimo_adapter", "sandbox")


@lru_cache(maxsize=1)
def digest() -> str:
    """SHA-256 (hex) of the copied files: an environment with other ones is another environment."""
    state = hashlib.sha256()
    for path in _files():
        content = path.read_bytes()
        state.update(f"{path.relative_to(_home())}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()


def copy_into(site_packages: Path) -> None:
    """Put the copy into ``site_packages``, with enough metadata for ``importlib.metadata.version``."""
    for path in _files():
        target = site_packages / "mograder" / path.relative_to(_home())
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    info = site_packages / f"mograder-{mograder.__version__}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: mograder\nVersion: {mograder.__version__}\n"
    )
    (info / "INSTALLER").write_text("mograder\n")


def _home() -> Path:
    return Path(mograder.__file__).parent


def _files() -> list[Path]:
    found: list[Path] = []
    for part in PARTS:
        path = _home() / part
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found
