"""The helper process of a session that starts its kernels by fork, from an image with one thread.

A kernel must not be forked from marimo's server, which has threads, and starting a fresh Python for it costs
a second and the memory of all its packages. So the session leaves a copy of itself aside before the server
runs; that copy forks a kernel whenever the server asks. Server and helper share a pair of sockets that nobody
else can reach. When the server ends, however it ends, the helper sees its end of the pair close and takes the
kernels down. When the helper ends first, its kernels end too, and the server after it: without the helper it could
start no other.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import pickle
import select
import signal
import socket
import traceback
from collections.abc import Callable
from multiprocessing import current_process, forkserver, popen_forkserver, reduction, spawn, util
from multiprocessing.context import set_spawning_popen
from typing import Any, NoReturn

from mograder.marimo_adapter import kernels, renew, semaphores
from mograder.sandbox import kernel as system

_DESCRIPTORS = 64
_MESSAGE = 16 * 1024

#: Held until this process ends: the helper takes a closed end for the end of the server.
_ends: list[socket.socket] = []


def leave_aside(*, private: bool) -> kernels.Start:
    """Fork the helper; returns what ``kernels.start_with`` needs to start kernels through it.

    To be called before anything is changed for the server, and while this process has one thread. ``private``: nobody
    else uses this /dev/shm, and it does not outlive the session.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    helper = os.fork()
    if helper == 0:
        ours.close()
        _help(theirs, private)
    theirs.close()
    _ends.append(ours)
    kernels.end_with(helper)
    semaphores.track_here()

    def start(process: Any, _original: kernels.Popen) -> Any:
        return _Popen(process, ours)

    return start


class _Popen(popen_forkserver.Popen):
    """A kernel as multiprocessing sees it from the server: started by the helper, which also reports its end."""

    _fds: list[int]  # descriptors that the pickled process refers to; multiprocessing fills it

    def __init__(self, process: Any, helper: socket.socket) -> None:
        self._helper = helper
        super().__init__(process)

    def _launch(self, process_obj: Any) -> None:
        data = self._pickled(process_obj)
        status, status_kernel = os.pipe()
        data_kernel, data_ours = os.pipe()
        try:
            names = json.dumps(semaphores.mentioned(data)).encode()
            socket.send_fds(self._helper, [names], [data_kernel, status_kernel, *self._fds])
        finally:
            os.close(data_kernel)
            os.close(status_kernel)
        # The kernel takes the end of this pipe for the end of its parent.
        alive = os.dup(data_ours)
        self.sentinel = status
        self.finalizer = util.Finalize(self, _close, (alive, status))
        with os.fdopen(data_ours, "wb") as pipe:
            pipe.write(data)
        self.pid = forkserver.read_signed(status)

    def _pickled(self, process_obj: Any) -> bytes:
        buffer = io.BytesIO()
        set_spawning_popen(self)
        try:
            reduction.dump(spawn.get_preparation_data(process_obj._name), buffer)
            reduction.dump(process_obj, buffer)
        finally:
            set_spawning_popen(None)
        return buffer.getvalue()


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _help(server: socket.socket, private: bool) -> NoReturn:
    """The helper's life: fork when asked, report what ended, go when the server has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, tuple[int, int]] = {}
    poll = select.poll()
    poll.register(server, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in running:
                poll.unregister(descriptor)
                _report(descriptor, *running.pop(descriptor))
                continue
            names, given, _, _ = socket.recv_fds(server, _MESSAGE, _DESCRIPTORS)
            if not given:
                _end(running)
            pidfd = _start(server, given, running, functools.partial(_opened, json.loads(names), private))
            poll.register(pidfd, select.POLLIN)


def _opened(names: list[str], private: bool) -> None:
    """What a kernel does when it has opened its queues."""
    semaphores.remove(names)
    if private:
        semaphores.untracked()


def _start(
    server: socket.socket,
    given: list[int],
    running: dict[int, tuple[int, int]],
    opened: Callable[[], None],
) -> int:
    data, status, *inherited = given
    helper = os.getpid()
    pid = os.fork()
    if pid == 0:
        server.close()
        for descriptor in (status, *running, *(end for _, end in running.values())):
            os.close(descriptor)
        _kernel(helper, data, inherited, opened)
    forkserver.write_signed(status, pid)
    for descriptor in (data, *inherited):
        os.close(descriptor)
    pidfd = os.pidfd_open(pid)
    running[pidfd] = (pid, status)
    return pidfd


def _report(pidfd: int, pid: int, status: int) -> None:
    _, ended = os.waitpid(pid, 0)
    os.close(pidfd)
    with contextlib.suppress(BrokenPipeError):  # the server forgot this kernel
        forkserver.write_signed(status, os.waitstatus_to_exitcode(ended))
    os.close(status)


def _end(running: dict[int, tuple[int, int]]) -> NoReturn:
    for pid, _ in running.values():
        # A kernel leads a process group, in which are the processes that its cells have started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _kernel(helper: int, data: int, inherited: list[int], opened: Callable[[], None]) -> NoReturn:
    """The life of a kernel: become what a freshly spawned one would be, then marimo's own."""
    code = 1
    try:
        system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != helper:  # it ended before this process asked to be told
            os._exit(code)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        renew.after_fork()
        # multiprocessing's own start in a child reads the descriptors that came along from here.
        vars(forkserver._forkserver)["_inherited_fds"] = inherited
        code = _unpickled(data, opened)._bootstrap(os.dup(data))
    except BaseException:  # noqa: BLE001 - the end of this process; its log says why
        traceback.print_exc()
    finally:
        os._exit(code)


def _unpickled(data: int, opened: Callable[[], None]) -> Any:
    """The process that the server sent, as ``multiprocessing.spawn`` would read it. The pipe stays open: its end is
    the end of the server."""
    marks = vars(current_process())
    with os.fdopen(os.dup(data), "rb") as pipe:
        marks["_inheriting"] = True
        try:
            spawn.prepare(pickle.load(pipe))  # noqa: S301 - from our own server, over a pipe of its own
            process = pickle.load(pipe)  # noqa: S301
        finally:
            del marks["_inheriting"]
    opened()
    return process
