"""The owner's side of a warm process, however many descriptors its owner has."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import subprocess
import time

from mograder.marimo_adapter import control
from mograder.marimo_adapter.owner import Coming, Ended


def test_an_owner_of_more_descriptors_than_select_knows_hears_its_warm_process() -> None:
    with contextlib.ExitStack() as opened:
        ours, theirs = map(opened.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        number = fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, 1100)
        channel = opened.enter_context(socket.socket(fileno=number))
        process = opened.enter_context(subprocess.Popen(["true"]))
        ready = {"marimo": "1", "modules": 2, "skipped": [], "problem": None}
        control.send(theirs, ready)
        warm = Coming(process, channel, time.monotonic() + 10).finish()
        control.send(theirs, {"id": "a", "exit": 7, "status": 0})
        control.send(theirs, {"id": "list", "alive": [{"pid": 8, "id": "b"}]})
        assert warm.alive() == {8: "b"}
        assert warm.ended() == Ended(7, 0, "a")
        assert warm.ended() is None
