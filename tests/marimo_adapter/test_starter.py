"""The helper that starts kernels by fork: what multiprocessing may expect of a kernel that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.processes import alive, eventually

_SERVER = """
import multiprocessing, os, signal, sys, time
from mograder.marimo_adapter import kernels, starter

def launch_kernel(queue, what):
    os.setsid()
    if what == "echo":
        queue.put(queue.get() * 2)
    elif what == "exit":
        sys.exit(7)
    elif what == "who":
        queue.put((os.getpid(), os.getppid()))
    else:
        time.sleep(600)

launch_kernel.__module__ = "marimo.pretended"
sys.modules["marimo.pretended"] = sys.modules["__main__"]
kernels.start_with(starter.leave_aside(private=False))
spawn = multiprocessing.get_context("spawn")

def kernel(what):
    queue = spawn.Queue()
    process = spawn.Process(target=launch_kernel, args=(queue, what))
    process.start()
    return process, queue
"""


def said(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _SERVER + code], capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_a_kernel_talks_over_its_queues_and_ends() -> None:
    code = "p, q = kernel('echo')\nq.put(21)\np.join(10)\nprint(q.get(), p.exitcode, p.is_alive())"
    assert said(code) == ["42", "0", "False"]


def test_the_status_of_a_kernel_comes_back() -> None:
    assert said("p, q = kernel('exit')\np.join(10)\nprint(p.exitcode)") == ["7"]


def test_a_kernel_can_be_ended_and_the_next_one_started() -> None:
    code = "p, q = kernel('sleep')\nprint(p.is_alive())\np.terminate()\np.join(10)\nprint(p.exitcode)\n"
    code += "p, q = kernel('echo')\nq.put(1)\np.join(10)\nprint(q.get())"
    assert said(code) == ["True", "-15", "2"]


def test_a_kernel_is_a_child_of_the_helper() -> None:
    code = "p, q = kernel('who')\npid, parent = q.get()\nprint(pid == p.pid, parent not in (os.getpid(), 1))"
    assert said(code) == ["True", "True"]


def test_a_server_that_starts_no_kernel_ends_with_its_own_status() -> None:
    code = _SERVER.replace(
        "kernels.start_with(starter.leave_aside(private=False))", "starter.leave_aside(private=False)"
    )
    code += "import gc\ngc.collect()\ntime.sleep(0.2)\nos._exit(7)"
    assert subprocess.run([sys.executable, "-c", code], timeout=600, check=False).returncode == 7


def test_server_and_kernels_end_with_a_killed_helper() -> None:
    code = _SERVER + "p, q = kernel('sleep')\nprint(p.pid, flush=True)\ntime.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        kernel = int(server.stdout.readline())
        os.kill(int(Path(f"/proc/{kernel}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
        assert server.wait(timeout=30) == 1
    assert eventually(lambda: not alive(kernel))


def test_helper_and_kernels_end_with_a_killed_server() -> None:
    code = (
        _SERVER
        + "p, q = kernel('sleep')\np2, q2 = kernel('sleep')\nprint(p.pid, p2.pid, flush=True)\ntime.sleep(600)"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout:
        kernels = [int(word) for word in server.stdout.readline().split()]
        helper = int(Path(f"/proc/{kernels[0]}/stat").read_text().rpartition(")")[2].split()[1])
        assert all(map(alive, [helper, *kernels]))
        server.kill()
        server.wait()
    assert eventually(lambda: not any(map(alive, [helper, *kernels])))
