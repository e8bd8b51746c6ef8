"""The supervisor of one run: a small process that holds the limits and ends every process of the run.

Run as ``python -I -S supervise.py ORDER`` (JSON), apart from the caller. Its standard input is a lifeline: when
it closes, because the caller wants the end or is no more, everything is ended. Its one answer is a line of JSON
on standard output. It becomes the parent of every orphan below it (``PR_SET_CHILD_SUBREAPER``), so neither a
daemon nor a session of its own escapes. Nothing but the standard library is imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

_LOOK_SECONDS = 0.1
#: The most threads that may come to be between two looks.
MANY_THREADS = 1024
#: Seconds that marimo's process may wait after the end of the notebook's: whatever was left to do is done by then.
_DEAD_SECONDS = 3.0
_PAGE = resource.getpagesize()


class Tail:
    """The first and the last of a stream: ``limit`` bytes of each, and a note of what is missing between."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = b""
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        room = self._limit - len(self._head)
        self._head += data[:room]
        if rest := data[room:]:
            self._tail.append(rest)
            self._tail_size += len(rest)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._limit:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._dropped += gone

    def text(self) -> str:
        """What was kept."""
        note = f"\n[{self._dropped} bytes left out]\n".encode() if self._dropped else b""
        return (self._head + note + b"".join(self._tail)).decode("utf-8", "replace")


class Seen(NamedTuple):
    """One process as the kernel shows it."""

    parent: int
    state: str


def look(process: int) -> Seen | None:
    """``process`` now; None if there is none."""
    try:
        stat = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return None
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, counted from the state (field 3)
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Seen(int(fields[1]), fields[0].decode())


def descendants(root: int) -> dict[int, Seen]:
    """Every process below ``root`` that can be seen now."""
    everything = {process: seen for process in _numbers() if (seen := look(process))}
    children: dict[int, list[int]] = {}
    for process, seen in everything.items():
        children.setdefault(seen.parent, []).append(process)
    found: dict[int, Seen] = {}
    waiting = [root]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found[child] = everything[child]
            waiting.append(child)
    return found


def threads_of(user: int) -> int:
    """How many threads ``user`` has running now."""
    total = 0
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError, ValueError):  # it ended meanwhile
                if path.stat().st_uid == user:
                    stat = (path / "stat").read_bytes()
                    total += int(stat[stat.rindex(b")") + 2 :].split()[17])
    return total


def memory_of(processes: Iterable[int]) -> int:
    """Bytes of memory that ``processes`` hold and share with no file."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError, ValueError):  # it ended meanwhile
            _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_bytes().split()
            total += (int(resident) - int(shared)) * _PAGE
    return total


def end_all() -> None:
    """Kill every process below this one, also those that start meanwhile, and wait until none is left."""
    while True:
        _signal(_stop_all(), signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _stop_all() -> set[int]:
    """Stop every process below this one: what is stopped starts nothing new. All that were found."""
    me, stopped = os.getpid(), set[int]()
    while True:
        known = _numbers()
        if not (found := set(descendants(me)) - stopped):
            return stopped
        while found:
            _signal(found, signal.SIGSTOP)
            stopped |= found
            # A bomb on another core forks faster than everything can be looked at: only what is new is.
            fresh = _numbers() - known
            known |= fresh
            found = set()
            for process in sorted(fresh):  # parents come before their children
                if (seen := look(process)) and (
                    seen.parent == me or seen.parent in stopped or seen.parent in found
                ):
                    found.add(process)


def _numbers() -> set[int]:
    return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}


def supervise(order: dict[str, Any]) -> dict[str, Any]:
    """Run what ``order`` says to its end; how it ended, the exit status, and the log."""
    _prepare(order)
    log = Tail(order["log"] // 2)
    with subprocess.Popen(
        order["command"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=order["environment"],
        cwd=order["directory"],
        start_new_session=True,
        preexec_fn=lambda: _enter(order.get("group")),
    ) as child:
        assert child.stdout
        output = child.stdout.fileno()
        os.set_blocking(output, False)
        how = _watch(child, output, log, order)
        # Taken before all are reaped. One that still runs is not waited for by itself: while a bomb grows, every
        # moment counts.
        status = child.poll()
        end_all()
        _drain(output, log)
    return {"how": how, "status": -signal.SIGKILL if status is None else status, "log": log.text()}


def _prepare(order: dict[str, Any]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for option in (_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS):
        if libc.prctl(option, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({option}) was refused")
    # A fork bomb must not starve whoever is to end it. Only root may; for others NPROC below bounds the bomb, and for
    # root, whom it does not bind, the control group of the order, if there is one.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    # Counted over all processes of this user, the hub's and other runs' too: hence what there is, and then much.
    _lower(resource.RLIMIT_NPROC, threads_of(os.getuid()) + MANY_THREADS)
    # Each process by itself; the sum over all is watched. DATA and not AS: address space alone costs nothing.
    _lower(resource.RLIMIT_DATA, order["memory"])
    _lower(resource.RLIMIT_FSIZE, order["file_size"])
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 4096)


def _enter(group: str | None) -> None:
    """Put this process into a control group, and with it all that it starts."""
    if group is not None:
        Path(group, "cgroup.procs").write_text("0")


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))


def _watch(child: subprocess.Popen[bytes], output: int, log: Tail, order: dict[str, Any]) -> str:
    """Follow the run until it ends, crashes, goes over a limit, or the lifeline closes."""
    lifeline = sys.stdin.fileno()
    ended = os.pidfd_open(child.pid)
    poll = select.poll()
    for descriptor in (lifeline, ended, output):
        poll.register(descriptor, select.POLLIN)
    next_look = time.monotonic() + _LOOK_SECONDS
    kernel = Kernel(child.pid)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(_LOOK_SECONDS * 1000)}
        if output in ready and not _drain(output, log):
            poll.unregister(output)
        if ended in ready:
            return "done"
        if lifeline in ready:
            return "cancelled"
        if (now := time.monotonic()) < next_look:
            continue
        below = descendants(os.getpid())
        if over := _over_limit(below, order):
            return over
        if kernel.is_lost(below, now):
            return "crashed"
        next_look = time.monotonic() + _LOOK_SECONDS


class Kernel:
    """The notebook's own process below marimo's, which would wait for ever for one that is gone.

    It is the only child of marimo's process but for the one that multiprocessing keeps to tidy up.
    """

    def __init__(self, main: int) -> None:
        self._main = main
        self._seen = False
        self._waited = 0.0
        self._looked: float | None = None

    def is_lost(self, below: dict[int, Seen], now: float) -> bool:
        """Whether it was there and is gone, and marimo waits for it ever since.

        Only time in which marimo sleeps counts: on a busy machine it may want to go on for long, and not be let.
        """
        since = 0.0 if self._looked is None else min(now - self._looked, 2 * _LOOK_SECONDS)
        self._looked = now
        if any(seen.parent == self._main and _is_kernel(process, seen) for process, seen in below.items()):
            self._seen, self._waited = True, 0.0
        elif self._seen and (marimo := below.get(self._main)) is not None and marimo.state == "S":
            self._waited += since
        return self._waited > _DEAD_SECONDS


def _is_kernel(process: int, seen: Seen) -> bool:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return seen.state != "Z" and b"resource_tracker" not in words


def _over_limit(below: dict[int, Seen], order: dict[str, Any]) -> str:
    if len(below) > order["processes"]:
        return "processes"
    return "memory" if memory_of(below) > order["memory"] else ""


def _drain(output: int, log: Tail) -> bool:
    """Take some of what is waiting there; False at the end of the stream."""
    for _ in range(16):
        try:
            data = os.read(output, 1 << 16)
        except BlockingIOError:
            return True
        if not data:
            return False
        log.add(data)
    return True


def _signal(processes: Iterable[int], number: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or not ours to end
            os.kill(process, number)


def main() -> None:
    """Do what the order says and answer."""
    try:
        answer = supervise(json.loads(sys.argv[1]))
    except OSError as error:
        answer = {"how": "done", "status": 127, "log": str(error)}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
