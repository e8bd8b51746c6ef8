"""What tests want to know of running processes, read from /proc."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The children of ``pid``, their children, and so on."""
    try:
        found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [*found, *(deeper for child in found for deeper in descendants(child))]


def alive(pid: int) -> bool:
    """Whether ``pid`` runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether ``holds()`` becomes true in time, where no event says so. It is asked less often the longer it takes."""
    end, pause = time.monotonic() + seconds, 0.02
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
        pause = min(1.2 * pause, 0.3)
    return True


def internet_sockets(pid: int) -> list[str]:
    """The TCP and UDP sockets that ``pid`` has open, as /proc/net names them."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            if line.split()[9] in inodes:
                found.append(f"{kind} {line.split()[1]}")
    return found
