"""Runs a notebook as ordinary processes: limits and a clean end, but no isolation from the host."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from mograder.errors import SessionFailed
from mograder.marimo_adapter import options
from mograder.validation import bounds, supervise
from mograder.validation.runner import Cancelled, Ending, How, Task
from mograder.validation.scratch import REPORT, SIDECAR

#: Seconds between two looks at the clock, the sidecar and the wish to stop.
TICK = 0.05

#: Seconds that the supervisor gets to end everything before it is ended itself.
GRACE = 10.0


class ProcessRunner:
    """Runs each task under a supervisor process that holds the limits and leaves no process behind.

    Student code runs with the rights of the caller: for ``--dev`` and the command line, where people run their
    own notebooks.
    """

    def run(self, task: Task, tick: Callable[[], None], cancelled: Cancelled) -> Ending:
        """As ``Runner.run``."""
        deadline = time.monotonic() + task.time_limit
        with _supervisor(task) as process:
            assert process.stdin
            assert process.stdout
            how: How = "done"
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                while not selector.select(TICK):
                    tick()
                    if cancelled.is_set() or time.monotonic() > deadline:
                        how = "cancelled" if cancelled.is_set() else "time"
                        process.stdin.close()  # the supervisor's sign to end everything
                        if not selector.select(GRACE):
                            os.killpg(process.pid, signal.SIGKILL)
                        break
            answer = _answer(process)
        log = str(answer.get("log", ""))
        if how != "done":
            return Ending(how, log=log)
        return Ending(answer.get("how", "killed"), int(answer.get("status", -signal.SIGKILL)), log)


@contextlib.contextmanager
def _supervisor(task: Task) -> Any:
    """The supervisor of ``task``, running; ended at the end, whatever happened."""
    with bounds.group(task.limits.processes + supervise.MANY_THREADS) as group:
        order = _order(task) | ({} if group is None else {"group": str(group)})
        with _started(order) as process:
            yield process


@contextlib.contextmanager
def _started(order: dict[str, Any]) -> Any:
    command = [sys.executable, "-I", "-S", supervise.__file__, json.dumps(order)]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
    except OSError as error:
        raise SessionFailed("The notebook could not be started: {reason}.", reason=error.strerror) from error
    try:
        yield process
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe and not pipe.closed:
                pipe.close()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _order(task: Task) -> dict[str, Any]:
    scratch = task.scratch
    spec = options.ExportSpec(task.notebook, str(scratch.out / REPORT), asset_url=task.asset_url)
    environment = options.environment(
        scratch.home,
        python=task.python,
        MOGRADER_SIDECAR_PATH=str(scratch.out / SIDECAR),
        TMPDIR=str(scratch.temporary),
        PYTHONDONTWRITEBYTECODE="1",
    )
    return {
        "command": options.export_command(task.python, spec),
        "environment": environment,
        "directory": str(scratch.work),
        "memory": task.limits.memory,
        "processes": task.limits.processes,
        "file_size": task.limits.file_size,
        "log": task.limits.log,
    }


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the supervisor said at its end; nothing if it was killed."""
    assert process.stdout
    try:
        said = json.loads(process.stdout.read())
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
