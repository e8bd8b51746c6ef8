"""Which processes of multiprocessing are kernels, and how they are started."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

from mograder.marimo_adapter import kernels
from tests.support.processes import alive, eventually


def target(name: str, module: str) -> SimpleNamespace:
    return SimpleNamespace(_target=SimpleNamespace(__name__=name, __module__=module))


def test_only_marimo_s_own_entry_is_a_kernel() -> None:
    assert kernels.is_kernel(target("launch_kernel", "marimo._runtime.runtime"))
    assert not kernels.is_kernel(target("launch_kernel", "__main__"))
    assert not kernels.is_kernel(target("work", "marimo._runtime.runtime"))
    assert not kernels.is_kernel(SimpleNamespace(_target=None))


_SERVER = """
import multiprocessing, sys, time, types
from mograder.marimo_adapter import kernels

def launch_kernel():
    time.sleep(600)

launch_kernel.__module__ = "marimo.pretended"
kernels.start_with(kernels.watched)
kernel = multiprocessing.get_context("fork").Process(target=launch_kernel)
kernel.start()
print(kernel.pid, flush=True)
time.sleep(600)
"""


def test_a_kernel_ends_with_its_server_even_when_that_is_killed() -> None:
    server = subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout:
        kernel = int(server.stdout.readline())
        assert alive(kernel)
        server.kill()
        server.wait()
    assert eventually(lambda: not alive(kernel))
