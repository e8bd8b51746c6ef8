"""A warm process: what it says when it is ready or can not be, and that sessions do not hang on its life."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.errors import EnvironmentFailed, SessionFailed
from mograder.marimo_adapter import control, options
from mograder.marimo_adapter.owner import Warm
from tests.marimo_adapter.conftest import Make, forked, warm_process, workspace
from tests.support.marimo_environments import NEWEST
from tests.support.processes import alive, descendants, eventually

pytestmark = pytest.mark.real


@pytest.fixture
def own_warm(newest: Path) -> Iterator[Warm]:
    """A warm process that the test may break."""
    with warm_process(newest, "plain.py") as warm:
        yield warm


def planted(desk: Path, code: str) -> Path:
    """A directory with a module ``planted`` and a notebook that imports it."""
    place = workspace(desk, "plain.py")
    (place / "planted.py").write_text(code)
    text = (place / "plain.py").read_text().replace("import marimo as mo", "import marimo as mo, planted")
    (place / "plain.py").write_text(text)
    return place / "plain.py"


def start(newest: Path, desk: Path, notebook: Path, **more: float) -> Warm:
    return Warm.start(
        newest, env=options.environment(desk / "home", python=newest), notebook=notebook, **more
    )


def test_it_tells_what_it_has_and_imports_what_the_notebook_needs(warm_newest: Warm, make: Make) -> None:
    assert warm_newest.marimo == NEWEST
    assert warm_newest.problem is None
    assert warm_newest.skipped == ()
    tab = make().tab().start()
    code = "import sys; [name in sys.modules for name in ('numpy', 'jedi', 'helper')]"
    assert "[true, true, false]" in tab.run(tab.cells[-1], code)


def test_a_kernel_collects_its_garbage(make: Make) -> None:
    tab = make().tab().start()
    assert "True" in tab.run(tab.cells[-1], "import gc; str(gc.isenabled())")


def test_a_session_starts_in_a_fraction_of_a_second(make: Make) -> None:
    make().tab().start()
    assert make("numbers.py").tab().start().times["completed"] < 2


def test_it_tells_which_sessions_run_and_how_they_ended(own_warm: Warm, newest: Path, desk: Path) -> None:
    with forked(own_warm, newest, desk) as make:
        first, second = make(), make()
        assert set(own_warm.alive()) == {first.pid, second.pid}
        os.kill(first.pid, signal.SIGKILL)
        ended = own_warm.ended(5)
        assert ended is not None
        assert (ended.pid, ended.status) == (first.pid, -signal.SIGKILL)
        assert set(own_warm.alive()) == {second.pid}


def test_sessions_outlive_the_warm_process_and_its_owner(own_warm: Warm, newest: Path, desk: Path) -> None:
    with forked(own_warm, newest, desk) as make:
        session = make()
        tab = session.tab().start()
        own_warm.stop()
        assert not alive(own_warm.process.pid)
        assert "42" in tab.run(tab.cells[-1], "6 * 7")
        tab.restart()
        again = session.tab().start()
        assert "y is 2" in again.output(again.cells[2])


def test_sessions_outlive_a_killed_warm_process(own_warm: Warm, newest: Path, desk: Path) -> None:
    with forked(own_warm, newest, desk) as make:
        session = make()
        tab = session.tab().start()
        own_warm.process.kill()
        own_warm.process.wait()
        assert "42" in tab.run(tab.cells[-1], "6 * 7")
        with pytest.raises(SessionFailed):
            make()


def test_a_notebook_that_was_published_later_is_prepared_for_from_its_second_session_on(
    own_warm: Warm, newest: Path, desk: Path
) -> None:
    held = "from mograder.marimo_adapter import ahead\nf'cells: {len(ahead._ready)}'"
    published = workspace(desk / "published", "numbers.py") / "numbers.py"
    with forked(own_warm, newest, desk) as make:
        seen = []
        for _ in range(2):
            session = make()
            session.published = str(published)
            session.stop()
            tab = session.fork().tab().start()
            seen.append(tab.run(tab.cells[-1], held))
        assert "cells: 2" in seen[0]
        assert "cells: 3" in seen[1]


def test_a_published_notebook_that_can_not_be_read_harms_nobody(
    own_warm: Warm, newest: Path, desk: Path
) -> None:
    (desk / "broken.py").write_text("def (:")
    with forked(own_warm, newest, desk) as make:
        for name in ("broken.py", "missing.py"):
            session = make()
            session.stop()
            session.published = str(desk / name)
            assert session.fork().tab().start().output
        assert "y is 2" in make().tab().start().outputs.popitem()[1].output["data"]


def test_an_ended_session_is_reaped_at_once(own_warm: Warm, newest: Path, desk: Path) -> None:
    with forked(own_warm, newest, desk) as make:
        session = make()
        session.tab().start()
        processes = [session.pid, *descendants(session.pid)]
        os.kill(session.pid, signal.SIGKILL)
        assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))


def test_an_order_that_makes_no_sense_is_refused_and_the_next_one_served(
    own_warm: Warm, newest: Path, desk: Path
) -> None:
    spec = options.ServeSpec("edit", "plain.py")
    wrong = control.Order(spec=spec, cwd="/", env={}, rlimits={"WARP": (1, 1)})
    with pytest.raises(SessionFailed, match="WARP"):
        own_warm.fork(wrong)
    with forked(own_warm, newest, desk) as make:
        assert make().tab().page()


def test_a_session_in_a_missing_directory_ends_with_a_word(own_warm: Warm, desk: Path) -> None:
    with (desk / "log").open("wb") as log:
        spec = options.ExportSpec("plain.py", "o.html")
        own_warm.fork(control.Order(spec=spec, cwd="/nowhere", env={}, log=log.fileno()))
    ended = own_warm.ended(10)
    assert ended is not None
    assert ended.status == 1
    assert "/nowhere" in (desk / "log").read_text()


def test_a_package_that_starts_threads_is_left_to_the_sessions(newest: Path, desk: Path) -> None:
    notebook = planted(
        desk, "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    )
    environment = newest.parent.parent
    module = next(environment.glob("lib/python3.*/site-packages")) / "planted.py"
    module.write_text((notebook.parent / "planted.py").read_text())
    (notebook.parent / "planted.py").unlink()
    try:
        warm = start(newest, desk, notebook)
        try:
            assert warm.skipped == ("planted",)
            assert warm.problem is None
            with forked(warm, newest, desk / "sessions") as make:
                tab = make().tab().start()
                assert "True" in tab.run(
                    tab.cells[-1], "import threading, planted; str(threading.active_count() > 1)"
                )
        finally:
            warm.stop()
    finally:
        module.unlink()


AFTERWARDS = {
    "a library started a thread": "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
    "memory in it that sessions would share": "globals().update(shared=mmap.mmap(-1, 4096))",
}


@pytest.mark.parametrize("why", AFTERWARDS)
def test_its_owner_notices_what_a_library_does_after_it_is_ready(newest: Path, desk: Path, why: str) -> None:
    late = f"signal.signal(signal.SIGUSR1, lambda *_: {AFTERWARDS[why]})"
    notebook = planted(desk, f"import mmap, signal, threading, time\n{late}\n")
    module = next(newest.parent.parent.glob("lib/python3.*/site-packages")) / "planted.py"
    (notebook.parent / "planted.py").rename(module)
    try:
        warm = start(newest, desk, notebook)
        try:
            assert warm.unfit() == ""
            os.kill(warm.process.pid, signal.SIGUSR1)
            assert eventually(lambda: why in warm.unfit())
        finally:
            warm.stop()
        assert warm.unfit() == ""  # there is nothing to look at any more
    finally:
        module.unlink()


def test_a_notebook_that_does_not_end_is_told_and_does_not_matter(newest: Path, desk: Path) -> None:
    notebook = planted(desk, "import time\nwhile True: time.sleep(1)")
    warm = start(newest, desk, notebook, timeout=40)
    try:
        assert warm.problem is not None
        assert "did not end" in warm.problem
        with forked(warm, newest, desk / "sessions") as make:
            tab = make().tab().start()
            assert "y is 2" in tab.output(tab.cells[2])
    finally:
        warm.stop()


def test_a_trial_ends_with_the_warm_process_that_tries_it(newest: Path, desk: Path) -> None:
    """Whoever gives up on a warm process kills it: the notebook that does not end is then in a trial."""
    notebook = planted(desk, "while True: pass")

    def of_the_trial() -> set[int]:
        found = set()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(notebook).encode() in path.read_bytes():
                    found.add(int(path.parent.name))
        return found

    with pytest.raises(EnvironmentFailed):
        start(newest, desk, notebook, timeout=3)
    assert eventually(lambda: not of_the_trial(), 20)


def test_an_environment_whose_marimo_can_not_be_imported_is_refused(
    newest: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = next(newest.parent.parent.glob("lib/python3.*/site-packages"))
    broken = desk / "broken" / "lib" / site.parent.name / "site-packages"
    (broken / "marimo").mkdir(parents=True)
    (broken / "marimo" / "__init__.py").write_text("raise ImportError('no such library')")
    (broken / "mograder").symlink_to(site / "mograder")
    (desk / "broken" / "bin").mkdir()
    (desk / "broken" / "bin" / "python").symlink_to(newest.readlink())
    (desk / "broken" / "pyvenv.cfg").write_text((newest.parent.parent / "pyvenv.cfg").read_text())
    with pytest.raises(EnvironmentFailed, match="marimo can not be imported"):
        Warm.start(desk / "broken" / "bin" / "python", env=options.environment(desk / "home"))


def test_an_interpreter_that_ends_is_told(desk: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="ended"):
        Warm.start(Path("/bin/true"), env={})


def test_no_name_of_a_semaphore_is_left_while_a_session_runs(make: Make) -> None:
    before = set(os.listdir("/dev/shm"))
    session = make()
    session.tab().start()
    assert set(os.listdir("/dev/shm")) <= before
    os.kill(session.pid, signal.SIGKILL)


def test_kernels_are_forked_by_a_helper_and_not_by_the_server(make: Make) -> None:
    session = make()
    tab = session.tab().start()
    assert "warm" in tab.run(tab.cells[-1], "open('/proc/self/cmdline').read().split(chr(0))[4]")
    shown = tab.run(tab.cells[-1], "import os; str(os.getppid())")
    assert str(session.pid) not in shown
