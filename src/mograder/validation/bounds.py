"""How many processes a run may have, where no limit of its user's holds: root's processes are not counted.

A control group does it, if one can be made. Where it can not (a container that may not), the supervisor alone ends what
grows, which it does as a real-time process.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def group(tasks: int, mount: Path = MOUNT) -> Iterator[Path | None]:
    """A new control group for at most ``tasks`` threads; None if none can be made here, or none is needed.

    A process enters it by writing ``0`` to its ``cgroup.procs``. It must be empty at the end of the block.
    """
    made = _made(tasks, mount) if os.geteuid() == 0 else None
    try:
        yield made
    finally:
        if made is not None:
            with contextlib.suppress(OSError):  # somebody else's process is in it: it is theirs then
                made.rmdir()


def _made(tasks: int, mount: Path) -> Path | None:
    for parent in _parents(mount):
        made = parent / f"mograder-run-{secrets.token_hex(4)}"
        try:
            made.mkdir()
        except OSError:
            continue
        limit = made / "pids.max"
        if limit.exists():
            limit.write_text(str(tasks))
            return made
        made.rmdir()  # the controller is not handed down here
    return None


def _parents(mount: Path) -> Iterator[Path]:
    """Where a group may be made: below our own, and in version 2 also above it, where no process may be in the way."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "pids" in controllers.split(","):
            yield mount / "pids" / path.lstrip("/")
            yield mount / "pids"  # in a container the path is the host's, the mount is ours
        elif number == "0":
            own = mount / path.lstrip("/")
            yield from (own, *(above for above in own.parents if above.is_relative_to(mount)))
