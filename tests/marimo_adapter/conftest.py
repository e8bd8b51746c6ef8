"""Warm processes to test with, one per environment and test run, and sessions forked from them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from mograder.marimo_adapter import control, options
from mograder.marimo_adapter.owner import Warm
from tests.support.marimo_client import MarimoClient
from tests.support.marimo_environments import NEWEST, VERSIONS, python_with_marimo
from tests.support.processes import alive, descendants, eventually

NOTEBOOKS = Path(__file__).parents[1] / "data" / "marimo"


@dataclass
class Live:
    """One forked session, as its owner and its browser see it."""

    warm: Warm
    place: Path
    spec: options.ServeSpec
    python: Path
    published: str = ""
    pid: int = 0
    tabs: list[MarimoClient] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.place / "workspace"

    @property
    def notebook(self) -> Path:
        return self.workspace / self.spec.notebook

    @property
    def log(self) -> str:
        return (self.place / "log").read_text()

    def order(self, listener: int, log: int) -> control.Order:
        env = options.environment(self.place / "home", python=self.python)
        return control.Order(
            spec=self.spec,
            cwd=str(self.workspace),
            env=env,
            listener=listener,
            log=log,
            notebook=self.published,
        )

    def fork(self) -> Live:
        (self.place / "socket").unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener, (self.place / "log").open("ab") as log:
            listener.bind(str(self.place / "socket"))
            listener.listen(64)
            self.pid = self.warm.fork(self.order(listener.fileno(), log.fileno()))
        return self

    def tab(self, session_id: str | None = None) -> MarimoClient:
        tab = MarimoClient(unix=str(self.place / "socket"), base=self.spec.base_url, session_id=session_id)
        self.tabs.append(tab)
        return tab

    def ended(self) -> int:
        """Wait for the end of the session; its status. Earlier sessions' ends are skipped."""
        while (end := self.warm.ended(10)) is not None:
            if end.pid == self.pid:
                return end.status
        raise AssertionError("the session goes on")

    def stop(self) -> None:
        """End the server as a launcher without a sandbox would, and wait until nothing is left."""
        for tab in self.tabs:
            tab.close()
        if not self.pid:
            return
        processes = [self.pid, *descendants(self.pid)]
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, 15)
        assert eventually(lambda: not any(map(alive, processes))), f"left behind: {processes}"


Make = Callable[..., Live]


@pytest.fixture
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that is not below /tmp and whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="ma-", dir="/var/tmp") as place:
        yield Path(place)


def workspace(desk: Path, notebook: str) -> Path:
    """A copy of one of the notebooks, with its helper, as a student would have it."""
    made = desk / "workspace"
    made.mkdir(parents=True)
    for name in (notebook, "helper.py"):
        shutil.copyfile(NOTEBOOKS / name, made / name)
    return made


@contextlib.contextmanager
def warm_process(python: Path, notebook: str = "numbers.py") -> Iterator[Warm]:
    """A warm process that has learned from ``notebook``."""
    with tempfile.TemporaryDirectory(prefix="ma-warm-") as home:
        with (Path(home) / "log").open("wb") as log:
            env = options.environment(home, python=python)
            warm = Warm.start(python, env=env, notebook=NOTEBOOKS / notebook, log=log.fileno())
        try:
            yield warm
        finally:
            warm.stop()


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment with each supported marimo, in turn."""
    return python_with_marimo(request.param)


@pytest.fixture(scope="session")
def newest() -> Path:
    """The interpreter of an environment with the marimo that the product is developed with."""
    return python_with_marimo(NEWEST)


@pytest.fixture(scope="session")
def warm_newest(newest: Path) -> Iterator[Warm]:
    with warm_process(newest) as warm:
        yield warm


@contextlib.contextmanager
def forked(warm: Warm, python: Path, desk: Path) -> Iterator[Make]:
    """A maker of sessions that are all stopped in the end."""
    made: list[Live] = []

    def make(
        notebook: str = "plain.py",
        mode: options.Mode = "edit",
        text: str = "",
        beside: Mapping[str, str] = MappingProxyType({}),
        **more: object,
    ) -> Live:
        place = desk / f"s{len(made)}"
        workspace(place, notebook)
        for name, content in {**beside, **({notebook: text} if text else {})}.items():
            path = place / "workspace" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        spec = options.ServeSpec(mode, notebook, f"/edit/user/u{len(made)}/A1", **more)  # type: ignore[arg-type]
        made.append(Live(warm, place, spec, python))
        return made[-1].fork()

    try:
        yield make
    finally:
        for live in made:
            live.stop()


@pytest.fixture
def make(warm_newest: Warm, newest: Path, desk: Path) -> Iterator[Make]:
    with forked(warm_newest, newest, desk) as maker:
        yield maker
