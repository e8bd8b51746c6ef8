"""A zip file whose bytes depend on nothing but the files in it."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of ``files`` by name, as `write_zip` would write it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            archive.writestr(_entry(name), files[name])
    return target.getvalue()


def _entry(place: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(place, _EPOCH)
    entry.external_attr, entry.create_system = _PLAIN_FILE, _UNIX
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def write_zip(path: Path, root: Path, places: Iterable[str]) -> None:
    """Write the files ``places`` below ``root`` to a new zip at ``path``.

    Sorted, with fixed times and permissions: the same files give the same bytes (with the same zlib).
    """
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for place in sorted(places):
            entry = _entry(place)
            entry.file_size = (root / place).stat().st_size
            with (root / place).open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)
