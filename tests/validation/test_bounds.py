"""mograder.validation.bounds"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mograder.validation import bounds
from mograder.validation.process_runner import ProcessRunner
from mograder.validation.runner import Limits, Task
from mograder.validation.scratch import scratch
from tests.support.marimo_environments import NEWEST, python_with_marimo

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's limit is the kernel's own"),
]

_BOMB = """
import os, signal, sys
made = []
try:
    while len(made) < 400:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        made.append(pid)
except BlockingIOError:
    pass
for pid in made:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
print(len(made))
"""


def test_a_group_refuses_more_processes_than_it_may_have_to_root_too() -> None:
    with bounds.group(40) as group:
        assert group is not None, "no control group can be made here"
        enter = group / "cgroup.procs"
        command = ["/bin/sh", "-c", 'echo 0 >"$0"; exec "$@"', str(enter), sys.executable, "-c", _BOMB]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 39


def test_the_group_is_gone_afterwards() -> None:
    with bounds.group(40) as group:
        assert group is not None
    assert not group.exists()


def test_where_none_can_be_made_there_is_none(tmp_path: Path) -> None:
    with bounds.group(40, tmp_path) as group:
        assert group is None
    assert list(tmp_path.iterdir()) == []


_NOTEBOOK = """
import marimo
app = marimo.App()

@app.cell
def _():
    import os
    from pathlib import Path
    groups = [line.rpartition(":")[2] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    Path(os.environ["MOGRADER_SIDECAR_PATH"]).write_text(" ".join(groups))
    return
"""


def test_a_run_of_root_s_is_in_such_a_group() -> None:
    with scratch(None, {"A1.py": _NOTEBOOK.encode()}) as place:
        task = Task(python_with_marimo(NEWEST), place, "A1.py", 60, limits=Limits())
        assert ProcessRunner().run(task, lambda: None, threading.Event()).how == "done"
        assert "mograder-run-" in (place.out / "checks.jsonl").read_text()
