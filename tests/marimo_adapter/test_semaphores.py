"""Semaphores whose names vanish by themselves. Each case runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def said(code: str) -> list[str]:
    """What ``code`` prints, word by word; it must end without a word on standard error."""
    code = f"import multiprocessing, os, pickle\nfrom mograder.marimo_adapter import semaphores\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


_QUEUE = """
semaphores.track_here()
def names(): return {n for n in os.listdir("/dev/shm") if n.startswith("sem.mp-")}
before = names()
queue = multiprocessing.get_context("spawn").Queue()
mine = names() - before
data = b" ".join(b"/" + n[4:].encode() for n in mine)
"""


def says(code: str, expected: list[str]) -> bool:
    """Whether the program says so; /dev/shm is everybody's, so a test beside this one may spoil a try."""
    return any(said(code) == expected for _ in range(4))


def test_a_queue_is_used_without_names_and_without_a_tracker() -> None:
    code = (
        _QUEUE
        + """
found = semaphores.mentioned(data)
semaphores.remove(found)
print(len(found) == len(mine) > 0, names() & mine == set())
queue.put("word"); print(queue.get())
from multiprocessing import resource_tracker
print(resource_tracker._resource_tracker._pid)
queue.close(); queue.join_thread()
"""
    )
    assert says(code, ["True", "True", "word", "None"])


def test_only_the_names_that_are_mentioned_are_given_away() -> None:
    code = (
        _QUEUE
        + """
other = multiprocessing.get_context("spawn").Lock()
first = semaphores.mentioned(data)
print(len(first) == len(mine), semaphores.mentioned(data), len(names() - before - mine))
semaphores.remove(first)
"""
    )
    assert says(code, ["True", "[]", "1"])


def test_names_that_are_gone_already_are_no_harm() -> None:
    assert said("semaphores.remove(['/mp-never-there'])") == []


def test_a_kernel_of_its_own_sandbox_tracks_nothing() -> None:
    code = """
semaphores.untracked()
from multiprocessing import resource_tracker, shared_memory
memory = shared_memory.SharedMemory(create=True, size=8)
memory.close(); memory.unlink()
print(resource_tracker._resource_tracker._pid)
"""
    assert says(code, ["None"])
