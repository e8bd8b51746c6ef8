"""What a process that was forked from a warm one does: become a session, confined or not, and run it to its
end."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from mograder.errors import Malformed, MograderError
from mograder.marimo_adapter import control, export, hooks, options, renew, serve, starter
from mograder.marimo_adapter.control import Order
from mograder.sandbox import join
from mograder.sandbox import kernel as system

#: New objects before a collection of the youngest, and young ones before an older one: Python's own are 700, 10, 10.
_COLLECT = (20_000, 20, 20)


def fork(order: Order, *, after: Callable[[], None] | None = None) -> int:
    """Fork the session that ``order`` describes; its pid, as this process sees it.

    With a sandbox, returns when the session is confined in it. Without one, ``after`` is called in the
    session when its server has ended, also by SIGTERM. The caller has one thread, is a child subreaper, and
    reaps. Raises ``SandboxError``, ``Malformed`` or ``OSError``.
    """
    if (channel := order.sandbox) is None:
        return _fork_plain(order, after)
    confinement = join.Confinement(
        program=order.program,
        env=order.env,
        cwd=order.cwd,
        keep=[] if order.listener is None else [order.listener],
        output=order.log,
        rlimits=order.limits(),
        nice=order.nice,
        umask=order.umask,
    )
    identity = join.Identity(uid=order.uid, gid=order.gid)
    return join.fork_into(
        lambda: control.await_sandbox(channel),
        confinement,
        lambda: main(order),
        identity=identity,
        cgroup_fds=order.cgroups,
    )


def main(order: Order) -> int:
    """Run the session in this process, which is as confined as it will be; its exit status."""
    # What was there before the fork is out of the collector's sight (``stillness``); what is left is little, and
    # collecting it as often as Python would took a tenth of a session's start.
    gc.set_threshold(*_COLLECT)
    gc.enable()
    # marimo's own directory, not ours, comes first for the notebook's imports; "" would be this process's.
    sys.path[:] = [entry for entry in sys.path if entry]
    start_kernel = starter.leave_aside(private=order.sandbox is not None) if _has_kernels(order) else None
    try:
        if isinstance(order.spec, options.ExportSpec):
            return export.export(order.spec, start_kernel)
        if order.listener is None:
            raise Malformed("A server needs a listening socket.")
        return serve.serve(order.spec, socket.socket(fileno=order.listener), start_kernel)
    except (MograderError, hooks.HookMissing) as error:
        print(f"mograder: this session can not be run: {error}", file=sys.stderr)
        return 2


def _has_kernels(order: Order) -> bool:
    """``marimo run`` has no kernel processes: each reader is a thread of the server."""
    return not (isinstance(order.spec, options.ServeSpec) and order.spec.mode == "run")


def _fork_plain(order: Order, after: Callable[[], None] | None) -> int:
    limits = order.limits()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _settle(order, limits)
        if after is not None:
            # A trial is nobody's notebook: it goes with the warm process that tries it, however that ends.
            system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        code = main(order)
        if after is not None:
            after()
    except BaseException:  # noqa: BLE001 - the session's own failure belongs in its log
        traceback.print_exc()
    finally:
        # No exit handler of the parent's may run.
        _leave(code)


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def _settle(order: Order, limits: dict[int, tuple[int, int]]) -> None:
    """Give up what the fork inherited, where no sandbox takes it away: descriptors, signals, environment."""
    os.setsid()
    _replace_descriptors(order)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.umask(order.umask)
    for limit, bounds in limits.items():
        resource.setrlimit(limit, bounds)
    os.environ.clear()
    os.environ.update(order.env)
    os.chdir(order.cwd)
    renew.after_fork()


def _replace_descriptors(order: Order) -> None:
    """Put /dev/null in the place of each; objects of the parent still know the numbers and may write to them."""
    null = os.open("/dev/null", os.O_RDWR)
    output = null if order.log is None else os.dup(order.log)
    for number, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, number)
    keep = {0, 1, 2, null, order.listener}
    for name in Path("/proc/self/fd").iterdir():
        number = int(name.name)
        if number not in keep:
            with contextlib.suppress(OSError):  # the descriptor of this listing is closed by now
                os.fstat(number)
                os.dup2(null, number, inheritable=False)
    if order.listener is not None:
        os.set_inheritable(order.listener, False)
