"""``mograder.sessions.engine.former``: what becomes of an engine of another version, and when.

With engines that are threads of the test; ``test_upgrade`` has real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mograder import __version__
from mograder.marimo_adapter import control
from mograder.sandbox.identities import Identities
from mograder.sandbox.limits import Limits
from mograder.sessions.engine import client
from mograder.sessions.engine.protocol import PROTOCOL
from mograder.sessions.engine.starter import EnginePlaces
from mograder.sessions.launchers import warm
from mograder.sessions.launchers.slots import Slots
from mograder.sessions.launchers.warm import WarmLauncher
from mograder.sessions.model import Handle
from tests.sessions.fake import until

Say = dict[str, Any]


ENGINES: list[FakeEngine] = []
"""Those of the test that runs."""


class FakeEngine:
    """Listens at ``path``; ``alive`` are its sessions. It answers in the words that every version has."""

    def __init__(self, path: Path, alive: list[str], **hello: Any) -> None:
        self.alive, self._hello = alive, {"ended": [], **hello}
        self.asked: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen()
        self._lines: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._begin(self._serve)
        ENGINES.append(self)

    def _begin(self, work: Callable[..., None], *words: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=words))
        self._threads[-1].start()

    def end(self, session: str) -> None:
        """A session ends by itself."""
        self.alive.remove(session)
        for line in self._lines:
            with contextlib.suppress(OSError):  # its hub has hung up
                control.send(
                    line, {"event": "ended", "session": session, "reason": "", "status": 0, "of": "later"}
                )

    def die(self) -> None:
        for one in (self._listener, *self._lines):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _serve(self) -> None:
        with self._listener:
            while True:
                try:
                    line, _ = self._listener.accept()
                except OSError:
                    return
                self._lines.append(line)
                self._begin(self._answer, line)

    def _answer(self, line: socket.socket) -> None:
        with line:
            while (message := control.receive(line)[0]) is not None:
                self.asked.append(message["do"])
                say: Say = {"id": message["id"]}
                if message["do"] == "hello":
                    say |= {"alive": self.alive, **self._hello}
                elif message["do"] == "usage":
                    say |= {"sessions": dict.fromkeys(self.alive, 7), "cpu": {}}
                if self._hello.get("mute"):
                    continue
                control.send(line, say)
                if message["do"] == "stop":
                    self.end(message["session"])


@pytest.fixture
def place() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="former-"))
    (made / "engine").mkdir()
    yield made
    while ENGINES:
        ENGINES.pop().die()
    shutil.rmtree(made)


def launcher(place: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[WarmLauncher, list[FakeEngine]]:
    """A launcher, and the engines that it has started."""
    started: list[FakeEngine] = []

    def start(places: EnginePlaces, identities: Identities) -> None:
        started.append(FakeEngine(places.socket, [], protocol=PROTOCOL, version=__version__))

    monkeypatch.setattr(warm, "start", start)
    users = Identities(how="shared", engine_uid=1, engine_gid=1)
    places = EnginePlaces(directory=place / "engine", read_only=(), writable=())
    return WarmLauncher(places, users, Slots(place / "slots.json"), Limits()), started


def handle(session: str) -> Handle:
    return Handle(0, 0.0, {"session": session})


def former(place: Path) -> list[Path]:
    return list((place / "engine").glob("former-*"))


def run(test: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


OTHERS = {
    "another protocol": {"protocol": PROTOCOL + 1, "version": __version__},
    "another version": {"protocol": PROTOCOL, "version": "0.0.1"},
    "from before versions were told": {"protocol": 1},
}


@pytest.mark.parametrize("other", OTHERS)
def test_an_engine_of_another_version_keeps_its_sessions_until_they_end(
    place: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    old = FakeEngine(place / "engine" / "control", ["a", "b"], **OTHERS[other])
    hub, started = launcher(place, monkeypatch)

    async def scenario() -> None:
        await hub.open()
        assert len(started) == len(former(place)) == 1
        assert hub.alive(handle("a"))
        assert [use and use.memory_bytes for use in await hub.measure([handle("a"), handle("c")])] == [
            7,
            None,
        ]
        await hub.stop(handle("a"))
        assert "quit" not in old.asked
        assert await hub.wait(handle("a")) == ""
        old.end("b")
        await until(lambda: not former(place))
        assert old.asked[-1] == "quit"
        await hub.close()

    run(scenario)


def test_one_without_a_session_is_let_go_at_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = FakeEngine(place / "engine" / "control", [], protocol=1)
    hub, started = launcher(place, monkeypatch)

    async def scenario() -> None:
        await hub.open()
        assert (old.asked, len(started), former(place)) == (["hello", "hello", "quit"], 1, [])
        await hub.close()

    run(scenario)


def test_the_next_hub_finds_those_that_were_set_aside_and_forgets_those_that_have_gone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeEngine(place / "engine" / "former-1", ["a"], protocol=1)
    (place / "engine" / "former-2").touch()
    hub, _ = launcher(place, monkeypatch)

    async def scenario() -> None:
        await hub.open()
        assert hub.alive(handle("a"))
        assert former(place) == [place / "engine" / "former-1"]
        await hub.close()

    run(scenario)


def test_when_one_dies_its_own_sessions_end_and_no_others(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = FakeEngine(place / "engine" / "former-1", ["a"], protocol=1)
    FakeEngine(place / "engine" / "control", ["new"], protocol=PROTOCOL, version=__version__)
    hub, _ = launcher(place, monkeypatch)

    async def scenario() -> None:
        await hub.open()
        old.die()
        assert "was restarted" in await hub.wait(handle("a"))
        assert hub.alive(handle("new"))
        await hub.close()

    run(scenario)


def test_one_that_says_nothing_does_not_keep_the_hub_from_starting(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client, "HELLO_SECONDS", 0.1)
    FakeEngine(place / "engine" / "control", ["a"], mute=True)
    hub, started = launcher(place, monkeypatch)

    async def scenario() -> None:
        await hub.open()
        assert len(started) == len(former(place)) == 1
        await hub.close()

    run(scenario)
    assert (
        "takes the place of one that can not be talked to: The session engine does not answer." in caplog.text
    )
