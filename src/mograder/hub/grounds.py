"""What the result of a validation stands on: while none of it changes, the notebook need not run again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mograder import __version__


def grounds(
    notebook: bytes, release: bytes, environment: str, time_limit: float, files: Iterable[tuple[str, bytes]]
) -> str:
    """One hash (hex) of the notebook, the release's checks, the packages, the time, and each file beside, by name.

    ``files`` come in the order of their names, and are taken one at a time: they need not be in memory together. The
    version of mograder counts, too: it is what judges.
    """
    parts = [__version__, environment, f"{time_limit:g}"]
    whole = hashlib.sha256("\0".join(parts).encode())
    for name, content in (("notebook", notebook), ("release", release), *_beside(files)):
        whole.update(f"\0{name}\0".encode("utf-8", "surrogateescape") + hashlib.sha256(content).digest())
    return whole.hexdigest()


def _beside(files: Iterable[tuple[str, bytes]]) -> Iterable[tuple[str, bytes]]:
    return ((f"file {name}", content) for name, content in files)
