"""The trial of a new warm process: what only a confined session shows is found out before a student meets it."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.marimo_adapter import options
from mograder.marimo_adapter.owner import Warm
from mograder.sandbox import join
from mograder.sandbox.identities import Identities
from mograder.sessions.engine.tenant import Maker
from mograder.sessions.engine.trial import Trial, Wanted
from tests.marimo_adapter.conftest import NOTEBOOKS
from tests.support.marimo_environments import NEWEST, python_with_marimo
from tests.support.processes import alive, descendants, eventually

pytestmark = pytest.mark.real

#: As in the jail, where the engine is root: a trial's session is the last user of the range.
LAST = 21500
IDENTITIES = Identities(
    how="root" if os.getuid() == 0 else "shared", engine_uid=os.getuid(), engine_gid=os.getgid(), count=LAST
)
LIMITS = {"processes": 64, "open_files": 512, "file_bytes": 8 << 20}

CONFINED = '"\\nSeccomp:\\t2" in open("/proc/self/status").read()'
#: Dies in every fork that is confined; the session that is learned from is not.
UNFIT = f"import os\nos.register_at_fork(after_in_child=lambda: os._exit(3) if {CONFINED} else None)\n"
DEAD = "import os\nos.register_at_fork(after_in_child=lambda: os._exit(3))\n"


@pytest.fixture(scope="module")
def python() -> Path:
    """An interpreter that a student's user can read: not one in root's home."""
    if os.getuid() != 0:
        return python_with_marimo(NEWEST)
    base = next(path for v in ("3.13", "3.12", "3.11") if (path := Path(f"/usr/bin/python{v}")).exists())
    return python_with_marimo(NEWEST, base=str(base), root=Path("/var/tmp/mograder-tests-environments"))


@pytest.fixture(scope="module", autouse=True)
def reaper() -> None:
    """Sessions whose first parent has gone are ours, as they are the engine's."""
    join.become_subreaper()


@pytest.fixture
def published() -> Iterator[Path]:
    """A published item: its notebook, with a helper beside it."""
    with tempfile.TemporaryDirectory(prefix="trial-item-", dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        for file in ("numbers.py", "helper.py"):
            shutil.copy(NOTEBOOKS / file, place / file)
        yield place / "numbers.py"


def tried(python: Path, published: Path, package: str = "") -> tuple[str, Warm]:
    """What a trial finds where the notebook imports a package of this code, and the warm process, which is stopped."""
    site = next(python.parents[1].glob("lib/python3.*/site-packages"))
    module = site / "planted_for_trial.py"
    if package:
        module.write_text(package)
        text = published.read_text().replace("import random", "import planted_for_trial, random")
        published.write_text(text)
    try:
        env = options.environment(published.parent / "home", python=python)
        warm = Warm.start(python, env=env, notebook=published, log=sys.__stderr__.fileno())
        try:
            return judged(warm, Wanted("env", python, published, LIMITS)), warm
        finally:
            warm.stop()
    finally:
        module.unlink(missing_ok=True)


def judged(warm: Warm, wanted: Wanted) -> str:
    """Go round as the engine does until the trial is judged."""
    found: list[str] = []
    with selectors.DefaultSelector() as selector:

        def watch(thing: object, act: object) -> None:
            selector.register(thing, selectors.EVENT_READ, act)  # type: ignore[arg-type]

        def unwatch(thing: object) -> None:
            with contextlib.suppress(KeyError):  # not watched any more
                selector.unregister(thing)  # type: ignore[arg-type]

        trial = Trial(warm, IDENTITIES, found.append)
        trial.begin(wanted, Maker(IDENTITIES, None), watch, unwatch)
        while not found and time.monotonic() < trial.deadline:
            for key, _ in selector.select(1):
                if not found:
                    key.data()
        assert not selector.get_map()
    return found[0]


def test_a_session_that_works_as_students_get_it_passes_and_nothing_of_it_is_left(
    python: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = published.parent / "places"
    place.mkdir()
    place.chmod(0o711)  # as /tmp is: the trial's own user goes through
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    held, others = len(os.listdir("/proc/self/fd")), set(descendants(os.getpid()))
    why, warm = tried(python, published)
    assert why == ""
    assert list(place.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == held
    assert eventually(
        lambda: not [pid for pid in descendants(os.getpid()) if alive(pid) and pid not in others]
    )
    assert warm.problem is None


def test_a_package_that_works_everywhere_but_in_confinement_is_found_out(
    python: Path, published: Path
) -> None:
    why, warm = tried(python, published, UNFIT)
    assert warm.problem is None, "it was found out already where nothing is confined"
    assert "The session's last words" in why


def test_a_package_that_breaks_every_fork_once_it_is_there_before_is_found_out(
    python: Path, published: Path
) -> None:
    with pytest.raises(Exception, match="A session could not be forked"):
        tried(python, published, DEAD)
