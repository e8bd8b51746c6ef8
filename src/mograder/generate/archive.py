"""A zip file whose bytes depend on nothing but the files in it."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3


def write_zip(path: Path, root: Path, places: Iterable[str]) -> None:
    """Write the files ``places`` below ``root`` to a new zip at ``path``.

    Sorted, with fixed times and permissions: the same files give the same bytes (with the same zlib).
    """
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for place in sorted(places):
            entry = zipfile.ZipInfo(place, _EPOCH)
            entry.external_attr, entry.create_system = _PLAIN_FILE, _UNIX
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.file_size = (root / place).stat().st_size
            with (root / place).open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)
