"""Directories as hostile students make them."""

from __future__ import annotations

import os
from pathlib import Path


def dig(top: Path, depth: int) -> None:
    """A chain of directories below ``top``, so deep that no path reaches its end."""
    top.mkdir(parents=True)
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
