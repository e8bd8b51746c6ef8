"""What a forked process must not share with its siblings: random numbers, keys, remembered names."""

from __future__ import annotations

import os
import sys


def after_fork() -> None:
    """Give this process its own. ``random``, ``secrets``, ``os.urandom`` and OpenSSL see a fork by themselves."""
    modules = sys.modules
    if "numpy.random" in modules:
        modules["numpy.random"].seed()
    if "torch" in modules:
        modules["torch"].seed()
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "tempfile" in modules:  # names are cached per pid, and pids repeat across pid namespaces
        vars(modules["tempfile"]).update(_name_sequence=None, tempdir=None)
    if "uuid" in modules:
        vars(modules["uuid"]).update(_last_timestamp=None, _node=None)
