"""What a session promises, held by every supported version of marimo."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mograder.marimo_adapter import options, run_state
from mograder.marimo_adapter.owner import Warm
from tests.marimo_adapter.conftest import Live, Make, forked, warm_process
from tests.support.marimo_client import MarimoClient
from tests.support.marimo_environments import NEWEST, VERSIONS, find_python, python_with_marimo
from tests.support.processes import alive, descendants, eventually, internet_sockets

pytestmark = pytest.mark.real


#: marimo's versions on the Python that runs the tests, and the newest on those whose objects can be immortal.
COMBINATIONS = (*((version, "") for version in VERSIONS), (NEWEST, "3.12"), (NEWEST, "3.13"))


@pytest.fixture(scope="module", params=COMBINATIONS, ids=lambda pair: "-py".join(filter(None, pair)))
def python(request: pytest.FixtureRequest) -> Path:
    marimo, version = request.param
    if not version:
        return python_with_marimo(marimo)
    base = find_python(version)
    if base is None:
        pytest.skip(f"no Python {version} here")
    return python_with_marimo(marimo, base=base)


@pytest.fixture(scope="module")
def warm(python: Path) -> Iterator[Warm]:
    with warm_process(python) as process:
        assert process.problem is None
        yield process


@pytest.fixture
def make(warm: Warm, python: Path, desk: Path) -> Iterator[Make]:
    with forked(warm, python, desk) as maker:
        yield maker


def overrides(page: str) -> dict[str, Any]:
    """The settings that the page puts over the person's own."""
    found = re.search(r'"configOverrides": (\{.*\}),?$', page, re.MULTILINE)
    assert found is not None
    return dict(json.loads(found[1]))


def kernel_of(tab: MarimoClient) -> int:
    return int(tab.run(tab.cells[-1], "import os; os.getpid()").partition("</pre>")[0].rpartition(">")[2])


def test_an_editor_runs_all_cells(make: Make) -> None:
    tab = make().tab().start()
    assert "slider" in tab.output(tab.cells[1])
    assert "y is 2" in tab.output(tab.cells[2])


def test_an_edited_cell_is_run_and_saved(make: Make) -> None:
    session = make()
    tab = session.tab().start()
    assert "42" in tab.run(tab.cells[-1], "answer = 6 * 7\nanswer")
    tab.save(str(session.notebook))
    assert "answer = 6 * 7" in session.notebook.read_text()


def test_the_page_asks_for_saving_and_running_by_itself(make: Make) -> None:
    locked = overrides(make().tab().page())
    assert locked["save"] == {"autosave": "after_delay", "autosave_delay": 1000, "format_on_save": False}
    assert locked["runtime"]["auto_instantiate"] is True


def test_students_can_not_turn_saving_off(make: Make) -> None:
    session = make()
    text = '[tool.marimo.save]\nautosave = "off"\n[tool.marimo.runtime]\nauto_instantiate = false\n'
    (session.workspace / "pyproject.toml").write_text(text)
    (session.workspace / ".marimo.toml").write_text('[save]\nautosave = "off"\n[ai]\nenabled = true\n')
    header = '# /// script\n# [tool.marimo.save]\n# autosave = "off"\n# ///\n'
    session.notebook.write_text(header + session.notebook.read_text())
    os.kill(session.pid, signal.SIGTERM)
    session.fork()
    locked = overrides(session.tab().page())
    assert locked["save"]["autosave"] == "after_delay"
    assert locked["runtime"]["auto_instantiate"] is True
    assert locked["ai"]["enabled"] is False


def test_a_reader_of_a_save_never_meets_half_a_notebook(make: Make) -> None:
    session = make()
    tab = session.tab().start()
    tab.codes[-1] = "text = '''" + "long\n" * 20_000 + "'''"
    broken: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                ast.parse(session.notebook.read_text())
            except SyntaxError as error:
                broken.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    with session.notebook.open() as first:  # kept open, so that its inode is not given out again
        for number in range(10):
            tab.codes[0] = f"import marimo as mo  # {number}"
            tab.save(str(session.notebook))
        done.set()
        reader.join()
        assert not broken
        assert session.notebook.stat().st_ino != os.fstat(first.fileno()).st_ino
    assert sorted(path.name for path in session.workspace.iterdir() if path.name != "__marimo__") == [
        "helper.py",
        "plain.py",
    ]


def test_an_endless_cell_is_interrupted(make: Make) -> None:
    tab = make().tab().start()
    tab.send(tab.cells[-1], "print('begun', flush=True)\nwhile True: pass")
    while "begun" not in str(tab.outputs[tab.cells[-1]].console):
        tab.receive()
    tab.interrupt()
    tab.until("completed-run", timeout=10)
    assert "2" in tab.run(tab.cells[-1], "1 + 1")


def test_the_server_says_whether_a_cell_runs_also_one_that_only_waits(make: Make) -> None:
    tab = make().tab().start()
    assert tab.request("GET", run_state.PATH).status == run_state.RESTING
    tab.send(tab.cells[-1], "import time\nprint('begun', flush=True)\ntime.sleep(600)")
    while "begun" not in str(tab.outputs[tab.cells[-1]].console):
        tab.receive()
    assert tab.request("GET", run_state.PATH).status == run_state.RUNNING
    tab.interrupt()
    tab.until("completed-run", timeout=10)
    assert tab.request("GET", run_state.PATH).status == run_state.RESTING


def test_a_dead_kernel_runs_no_cell_whatever_it_said_last(make: Make) -> None:
    tab = make().tab().start()
    kernel = kernel_of(tab)
    tab.send(tab.cells[-1], "import time\nprint('begun', flush=True)\ntime.sleep(600)")
    while "begun" not in str(tab.outputs[tab.cells[-1]].console):
        tab.receive()
    os.kill(kernel, signal.SIGKILL)
    assert eventually(lambda: tab.request("GET", run_state.PATH).status == run_state.RESTING)


def test_a_restart_gives_a_new_kernel_and_ends_the_old_one(make: Make) -> None:
    session = make()
    tab = session.tab().start()
    old = kernel_of(tab)
    tab.restart()
    assert eventually(lambda: not alive(old))
    again = session.tab().start()
    assert "y is 2" in again.output(again.cells[2])
    assert kernel_of(again) != old


def test_a_killed_kernel_is_replaced_when_the_page_loads_again(make: Make) -> None:
    session = make()
    tab = session.tab().start()
    os.kill(kernel_of(tab), signal.SIGKILL)
    tab.close()
    assert eventually(lambda: len(descendants(session.pid)) < 3)
    assert "y is 2" in _when_it_answers(session)


def _when_it_answers(session: Live) -> str:
    outputs: list[str] = []

    def works() -> bool:
        tab = session.tab()
        try:
            tab.start(timeout=2)
        except Exception:
            tab.close()
            return False
        outputs.append(tab.output(tab.cells[2]))
        return True

    assert eventually(works, 15)
    return outputs[-1]


def test_a_page_that_lost_its_connection_finds_its_kernel(make: Make) -> None:
    tab = make().tab().start()
    tab.run(tab.cells[1], "kept = 'still here'")
    tab.close()
    tab.open()
    assert tab.receive()[0] == "reconnected"
    assert "still here" in tab.run(tab.cells[-1], "kept")


def test_a_reloaded_page_finds_the_same_kernel(make: Make) -> None:
    session = make()
    tab = session.tab().start()
    kernel = kernel_of(tab)
    tab.close()
    again = session.tab()
    again.page()
    again.open()
    again.until("kernel-ready")
    assert again.ready["resumed"] is True
    assert kernel_of(again) == kernel


def test_an_open_page_goes_on_with_a_session_that_was_started_again(make: Make) -> None:
    session = make()
    tab = session.tab().start()
    os.kill(session.pid, signal.SIGTERM)
    assert eventually(lambda: not alive(session.pid))
    tab.close()
    session.fork()
    tab.open()
    tab.until("kernel-ready")
    tab.instantiate()
    tab.until("completed-run")
    assert "42" in tab.run(tab.cells[-1], "6 * 7")


def test_nothing_is_left_when_the_server_is_stopped(make: Make) -> None:
    session = make()
    session.tab().start()
    processes = descendants(session.pid)
    os.kill(session.pid, signal.SIGTERM)
    assert eventually(lambda: not any(map(alive, [session.pid, *processes])))


def test_nothing_is_left_when_the_server_is_killed(make: Make) -> None:
    session = make()
    session.tab().start()
    processes = descendants(session.pid)
    assert processes
    os.kill(session.pid, signal.SIGKILL)
    assert eventually(lambda: not any(map(alive, [session.pid, *processes])))


def test_no_process_of_a_session_is_on_the_network(make: Make) -> None:
    session = make()
    session.tab().start()
    for pid in (session.pid, *descendants(session.pid)):
        assert internet_sockets(pid) == []


def test_cells_may_use_multiprocessing_in_every_way(make: Make) -> None:
    tab = make().tab().start()
    code = "import multiprocessing as mp\nr = []\n"
    code += "for m in ('spawn', 'fork', 'forkserver'):\n"
    code += "    p = mp.get_context(m).Pool(2)\n    r += p.map(abs, [-1, -2])\n"
    # Not terminated: a forked worker has marimo's own SIGTERM handler, and may sleep through the signal.
    code += "    p.close(); p.join()\n"
    assert "[1, 2, 1, 2, 1, 2]" in tab.run(tab.cells[-1], code + "str(r)")


def test_two_sessions_and_a_restarted_kernel_draw_different_numbers(make: Make) -> None:
    drawn = []
    for session in (make("numbers.py"), make("numbers.py")):
        tab = session.tab().start()
        drawn.append(tab.output(tab.cells[1]))
    tab.restart()
    again = session.tab().start()
    drawn.append(again.output(again.cells[1]))
    assert all("42 " in text for text in drawn)  # the helper module beside the notebook
    values = [number for text in drawn for number in re.findall(r"0\.\d+", text)]
    assert len(values) == len(set(values)) == 6


@pytest.mark.parametrize("content", ["", "import marimo\napp = marimo.App(\n", "print('hello')\n"])
def test_a_file_that_would_open_empty_is_not_opened(make: Make, content: str) -> None:
    session = make()
    os.kill(session.pid, signal.SIGTERM)
    session.ended()
    session.notebook.write_text(content)
    session.fork()
    assert session.ended() == options.UNREADABLE
    assert "plain.py" in session.log.splitlines()[-1]
    assert session.notebook.read_text() == content


@pytest.mark.parametrize("content", ["import marimo\napp = marimo.App(\n", "print('hello')\n"])
def test_a_lecture_that_is_no_notebook_is_not_run(make: Make, content: str) -> None:
    session = make(mode="run", text=content)
    assert session.ended() == options.NO_NOTEBOOK
    assert "plain.py" in session.log.splitlines()[-1]


def test_a_syntax_error_in_a_cell_keeps_no_editor_from_showing_every_cell(make: Make) -> None:
    session = make()
    os.kill(session.pid, signal.SIGTERM)
    session.ended()
    session.notebook.write_text(session.notebook.read_text().replace("y = x.value + 1", "y = = 1"))
    session.fork()
    if session.warm.marimo.startswith(
        ("0.19", "0.20")
    ):  # has no way to show such a cell: refused, and not emptied
        assert session.ended() == options.UNREADABLE
        return
    tab = session.tab()
    tab.page()
    tab.open()
    tab.until("kernel-ready")
    assert "y = = 1" in "".join(tab.codes)
    assert len(tab.codes) == 3


def test_a_reader_of_a_lecture_gets_its_outputs_and_its_code(make: Make) -> None:
    tab = make("plain.py", mode="run").tab().start(run_cells=False)
    assert "y is 2" in tab.output(tab.cells[2])
    assert any("mo.ui.slider" in code for code in tab.codes)


def test_a_lecture_may_keep_its_code(make: Make) -> None:
    tab = make("plain.py", mode="run", include_code=False).tab().start(run_cells=False)
    assert not any("mo.ui.slider" in code for code in tab.codes)
