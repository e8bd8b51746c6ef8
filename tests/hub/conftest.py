"""What the tests of the hub's files share: a small disk, a hostile workspace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 256 KiB. Needs root, which the tests of a multi-user server run as."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=64", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def trap(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory in which ``A1.py`` is what the parameter says, and a secret beside the directory."""
    (tmp_path / "secret").write_text("SECRET")
    place = tmp_path / "workspace"
    place.mkdir()
    lay(place / "A1.py", request.param, tmp_path / "secret")
    yield place


TRAPS = ["link", "dangling link", "loop", "hard link", "fifo", "socket", "device", "directory", "hole"]


def lay(path: Path, kind: str, secret: Path) -> None:
    """Put something nasty at ``path``."""
    match kind:
        case "link":
            path.symlink_to(secret)
        case "dangling link":
            path.symlink_to("nowhere")
        case "loop":
            path.symlink_to(path.name)
        case "hard link":
            path.hardlink_to(secret)
        case "fifo":
            os.mkfifo(path)
        case "socket":
            import socket

            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        case "device":
            os.mknod(path, 0o644 | 0o020000, os.makedev(1, 5))  # /dev/zero: reading it never ends
        case "directory":
            path.mkdir()
            (path / "work.py").write_text("mine")
        case "hole":
            with path.open("wb") as file:
                file.truncate(3 << 30)
