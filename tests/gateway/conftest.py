"""Processes that the gateway's tests share: sessions, and one hub of each variant."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.client import Hub

ROOT = Path(__file__).parents[2]


@contextmanager
def process(log: Path, module: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a module of the tests; yields the process and its first line. It must end by itself when asked to."""
    with log.open("w") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", f"tests.gateway.{module}", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert child.stdout
    try:
        first = child.stdout.readline().strip()
        assert first, log.read_text()
        yield child, first
    finally:
        child.terminate()
        child.wait(15)
        child.stdout.close()


@contextmanager
def hub_process(variant: str, directory: Path, seconds: float = 0, port: int = 0) -> Iterator[Hub]:
    with tempfile.NamedTemporaryFile(prefix="gw-", suffix=".log") as file:
        log = Path(file.name)
        with process(log, "hub_server", variant, str(directory), str(seconds), str(port)) as (child, bound):
            yield Hub(variant, int(bound), child, directory, log)


@pytest.fixture(scope="session")
def sessions() -> Iterator[Path]:
    """The directory with the sessions' sockets (short: a socket's path has about 100 bytes)."""
    with (
        tempfile.TemporaryDirectory(prefix="gw-") as directory,
        process(Path(directory) / "log", "session_server", directory),
    ):
        yield Path(directory)


@pytest.fixture(scope="session", params=["protocol", "asgi"])
def hub(request: pytest.FixtureRequest, sessions: Path) -> Iterator[Hub]:
    """A hub of each variant in turn."""
    with hub_process(request.param, sessions) as running:
        yield running


@pytest.fixture(scope="session")
def spliced(sessions: Path) -> Iterator[Hub]:
    """A hub with the gateway in uvicorn's protocol."""
    with hub_process("protocol", sessions) as running:
        yield running


@pytest.fixture(scope="session")
def hasty(sessions: Path) -> Iterator[Hub]:
    """A hub of the protocol variant whose every time-out is one second, and whose bounds are small."""
    with hub_process("protocol", sessions, 1.0) as running:
        yield running


_PROCESSES = frozenset(("sessions", "hub", "spliced", "hasty", "leaving", "notebook"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses one of the processes is a real test."""
    for item in items:
        if item.path.parent == Path(__file__).parent and _PROCESSES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real)
