"""Compressed copies of marimo's static files, made once and kept for every version that open pages may ask for."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import importlib.util
import json
import logging
import mimetypes
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mograder.errors import NameRefused

_log = logging.getLogger(__name__)
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")
_NOT_FOR_BROWSERS = frozenset((".html", ".md", ".map"))  # a page of marimo's own belongs to a session
_PACKED = frozenset((".woff", ".woff2", ".png", ".jpg", ".gif", ".webp", ".ico", ".br", ".gz", ".zip"))
_SMALLEST = 256  # bytes; below, compression adds more than it takes
_LARGEST = 64 << 20


def _compressors() -> dict[str, Callable[[bytes], bytes]]:
    """Return what compresses into each encoding: gzip always, brotli if its package is there."""
    known: dict[str, Callable[[bytes], bytes]] = {"gzip": lambda data: gzip.compress(data, 9, mtime=0)}
    if importlib.util.find_spec("brotli") is not None:
        brotli = importlib.import_module("brotli")
        known["br"] = lambda data: bytes(brotli.compress(data, quality=5))
    return known


_COMPRESSORS = _compressors()


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of one version: ``digest`` (SHA-256, hex) names its content, ``source`` where it was found.

    ``encodings`` are the compressed copies that exist, always smaller than the file.
    """

    digest: str
    kind: str
    size: int
    source: Path
    encodings: tuple[str, ...] = ()


class AssetStore:
    """Files by version and exact name. Copies live in ``cache`` by content, so versions share what they share.

    The table is complete from `add` on; `compress` makes the copies, and from then on the environment that the files
    came from is no longer needed. What is in ``cache`` is known again after a restart.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.files: dict[str, dict[str, Asset]] = {}
        self.complete: set[str] = set()  # versions of which every copy is made
        cache.mkdir(parents=True, exist_ok=True)
        for listing in sorted(cache.glob("*.json")):
            self._recall(listing)

    def _recall(self, listing: Path) -> None:
        try:
            listed = json.loads(listing.read_text())
            rows = listed["files"]
            files = {
                name: Asset(row[0], row[1], row[2], self.copy(row[0]), tuple(row[3]))
                for name, row in rows.items()
            }
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            _log.warning(
                "The list of static files in %s is broken and will be made anew: %s", listing.name, error
            )
            return
        if all(asset.source.is_file() for asset in files.values()):
            self.files[listing.stem] = files
            if set(_COMPRESSORS) <= set(listed["encodings"]):
                self.complete.add(listing.stem)

    def copy(self, digest: str, encoding: str = "raw") -> Path:
        """Return where the copy of a content in one encoding is kept; "raw" is the file itself."""
        return self.cache / f"{digest}.{encoding}"

    def add(self, version: str, directory: Path) -> None:
        """Offer the files below ``directory`` as those of marimo ``version``. Reads each once, to know its content.

        Raises:
            NameRefused: ``version`` can not be part of a path.
            OSError: the directory can not be read.
        """
        if not _VERSION.fullmatch(version):
            raise NameRefused(f"{version!r} can not be a version of marimo.")
        if version in self.files:
            return
        found: dict[str, Asset] = {}
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory).as_posix()
            if path.is_file() and path.suffix not in _NOT_FOR_BROWSERS and not path.name.startswith("."):
                found[name] = _look_at(path)
        self.files[version] = found

    def compress(self, version: str) -> None:
        """Make the missing copies of a version's files, and remember them. Takes seconds: call it in a thread.

        Raises:
            OSError: the cache can not be written, or a file has vanished.
        """
        done = {name: self._compressed(asset) for name, asset in self.files[version].items()}
        rows = {name: [a.digest, a.kind, a.size, list(a.encodings)] for name, a in done.items()}
        listed = {"encodings": list(_COMPRESSORS), "files": rows}
        _write(self.cache / f"{version}.json", json.dumps(listed).encode())
        self.files[version] = done
        self.complete.add(version)

    def _compressed(self, asset: Asset) -> Asset:
        raw = self.copy(asset.digest)
        data: bytes | None = None
        if not raw.exists():
            data = asset.source.read_bytes()
            _write(raw, data)
        made = []
        for encoding, compressor in _COMPRESSORS.items():
            if asset.size < _SMALLEST or asset.source.suffix in _PACKED:
                break
            copy = self.copy(asset.digest, encoding)
            if not copy.exists():
                data = data if data is not None else raw.read_bytes()
                packed = compressor(data)
                if len(packed) >= len(data):
                    continue
                _write(copy, packed)
            made.append(encoding)
        return Asset(asset.digest, asset.kind, asset.size, raw, tuple(made))

    def forget(self, version: str) -> None:
        """Offer a version's files no longer, and delete the copies that no other version needs."""
        gone = self.files.pop(version, {})
        self.complete.discard(version)
        (self.cache / f"{version}.json").unlink(missing_ok=True)
        needed = {asset.digest for files in self.files.values() for asset in files.values()}
        for digest in {asset.digest for asset in gone.values()} - needed:
            for copy in self.cache.glob(f"{digest}.*"):
                copy.unlink()


def _look_at(path: Path) -> Asset:
    size = path.stat().st_size
    if size > _LARGEST:
        raise OSError(f"{path.name} is too large for a static file: {size} bytes.")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind in ("application/json", "application/javascript"):
        kind += "; charset=utf-8"
    return Asset(digest, kind, size, path)


def _write(path: Path, data: bytes) -> None:
    """Write a whole file or nothing."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
