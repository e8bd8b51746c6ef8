"""Become the jail's user: make a user namespace with many users, then run the command that follows.

Runs as a program of its own (``python -c … main() SOCKET -- command…``), because a process with threads can
not enter a user namespace. Its starter writes the maps, which only it may do.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from mograder.sandbox import kernel


def main() -> NoReturn:
    """Read the plan from the socket, do it, and execute the command.

    An error ends the process with its words.
    """
    channel = socket.socket(fileno=int(sys.argv[1]))
    plan = json.loads(channel.recv(1 << 20))
    if plan["sources"]:
        stage(plan["sources"], plan["stage"])
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(plan["gid"], plan["gid"], plan["gid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # or the files through which our maps are written would be root's
    kernel.unshare(kernel.CLONE_NEWUSER)
    channel.send(b"u")
    if channel.recv(1) != b"m":
        raise SystemExit("the maps of the user namespace could not be written")
    os.setresgid(0, 0, 0)
    os.setgroups([])
    os.setresuid(0, 0, 0)
    command = sys.argv[sys.argv.index("--") + 1 :]
    os.execv(command[0], command)  # noqa: S606  (that is what this program is for)


def stage(sources: list[str], place: str) -> None:
    """Make the sources reachable below ``place`` for a user who may not pass their parents (a home of mode 0700).

    Only root can, and only before it becomes somebody else. The mounts live in a namespace of our own.
    """
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)
    # Held before the stage covers anything: a source may lie below it.
    originals = [os.open(source, os.O_PATH | os.O_CLOEXEC) for source in sources]
    kernel.mount("stage", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=64k")
    for number, original in enumerate(originals):
        target = Path(place) / str(number)
        if Path(f"/proc/self/fd/{original}").is_dir():
            target.mkdir()
        else:
            target.touch()
        kernel.mount(f"/proc/self/fd/{original}", str(target), None, kernel.MS_BIND | kernel.MS_REC)
        os.close(original)
