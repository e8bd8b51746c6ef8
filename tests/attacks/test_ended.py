"""Whatever ends somebody's leave to be in ends the WebSockets that they have open, on the hub's host and on another."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from mograder.hub.identity import tokens
from mograder.hub.identity.model import Role
from tests.attacks.content_hosts import ITEM, SECRET, Apart, hub_apart
from tests.attacks.test_hand_off import Way
from tests.support.hub import by_proxy

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=["path", "owners"])
def hub(request: pytest.FixtureRequest, course_root: Path) -> Iterator[Apart]:
    more = "session_ttl = 60\n"  # a quarter of it is how often what other processes do is noticed, at most
    with hub_apart(course_root / f"left-{request.param}", request.param, more) as up:
        yield up


class Someone:
    """Somebody's browser: signed in at the hub, and with the cookie of the content host where there is one."""

    def __init__(self, hub: Apart, user: str, *, lecture: bool = False) -> None:
        self.hub = hub
        self.user = user
        self.page = hub.page(user, "L01-Intro", "run") if lecture else hub.page(user)
        with hub.running.client(user) as http:
            http.post("start-run/L01-Intro" if lecture else f"start-edit-deep/{ITEM}").raise_for_status()
        if hub.host is None:
            self.hubs = self.cookies = hub.signed_in(user)
        else:
            way = Way(hub, user, self.page)
            self.hubs, self.cookies = way.hubs_cookie, way.cookie()

    def post(self, path: str, **headers: str) -> None:
        fields = {"Accept": "application/json", **headers}
        answer = self.hub.ask(f"{self.hub.hub_url}{path}", method="POST", cookies=self.hubs, **fields)
        assert answer.status_code == 200, answer.text

    @contextmanager
    def notebook(self, **headers: str) -> Iterator[ClientConnection]:
        """A WebSocket to their notebook, which has said something."""
        page = urlsplit(self.page)
        if not headers:
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        with connect(
            f"ws://{page.netloc}{page.path}ws?session_id=s_{self.user}",
            sock=self.hub.dial(),
            origin=f"http://{page.netloc}",  # type: ignore[arg-type]  # a NewType of str
            additional_headers=headers,
            compression=None,
            ping_interval=None,
        ) as socket:
            socket.recv(timeout=60)
            yield socket


def ended(socket: ClientConnection, within: float = 5) -> bool:
    """Whether the hub ends it for good, with the word that marimo's page takes for a no."""
    end = time.monotonic() + within
    try:
        while (left := end - time.monotonic()) > 0:
            socket.recv(timeout=left)
    except ConnectionClosed:
        assert socket.close_code == 1008
        return True
    except TimeoutError:
        pass
    return False


@contextmanager
def others_go_on(hub: Apart) -> Iterator[None]:
    """Nobody else's WebSocket is ended."""
    with Someone(hub, "zoe").notebook() as other:
        yield
        assert not ended(other, within=1)


def test_who_signs_out_leaves_the_notebook(hub: Apart) -> None:
    alice, at_home = Someone(hub, "alice"), Someone(hub, "alice", lecture=True)
    with others_go_on(hub), alice.notebook() as socket, at_home.notebook() as elsewhere:
        alice.post("logout")
        assert ended(socket)
        assert not ended(elsewhere, within=1)


def test_who_signs_out_everywhere_leaves_it_everywhere(hub: Apart) -> None:
    alice, at_home = Someone(hub, "alice"), Someone(hub, "alice", lecture=True)
    with others_go_on(hub), alice.notebook() as socket, at_home.notebook() as elsewhere:
        alice.post("account/sign-out-everywhere")
        assert ended(socket) and ended(elsewhere)


def test_the_next_person_at_a_shared_computer_finds_no_notebook_open(hub: Apart) -> None:
    alice = Someone(hub, "alice")
    with others_go_on(hub), alice.notebook() as socket:
        hub.ask(hub.hub_url, cookies=alice.hubs, **by_proxy("bob"))
        assert ended(socket)


def test_who_is_taken_off_the_list_is_out(hub: Apart) -> None:
    carol = Someone(hub, "carol")
    try:
        with others_go_on(hub), carol.notebook() as socket:
            with hub.running.client("prof") as http:
                http.post("sync-users", json={"users": ["alice", "bob", "zoe"]}).raise_for_status()
            assert ended(socket)
    finally:
        (hub.running.course / "allowed_users.txt").unlink(missing_ok=True)


def test_who_is_taken_off_the_list_by_an_editor_is_out_soon(hub: Apart) -> None:
    carol = Someone(hub, "carol")
    listed = hub.running.course / "allowed_users.txt"
    try:
        with others_go_on(hub), carol.notebook() as socket:
            listed.write_text("zoe\n")
            assert ended(socket, within=25)
    finally:
        listed.unlink(missing_ok=True)


@pytest.mark.parametrize("hub", ["path"], indirect=True, scope="module")
@pytest.mark.parametrize("by", ["an instructor", "another process", "the clock"])
def test_what_was_opened_by_a_token_ends_with_it(hub: Apart, by: str) -> None:
    """The content host takes none."""
    dora = Someone(hub, "dora")
    token = tokens.make(SECRET, "dora", Role.STUDENT, lifetime=20 if by == "the clock" else 600)
    number = tokens.opened(SECRET, token).id
    with others_go_on(hub), dora.notebook(Authorization=f"Bearer {token}") as socket:
        if by == "an instructor":
            with hub.running.client("prof") as http:
                http.post(f"tokens/{number}/revoke").raise_for_status()
            assert ended(socket)
        elif by == "another process":
            command = [
                sys.executable,
                "-m",
                "mograder",
                "hub",
                "-C",
                str(hub.running.course),
                "tokens",
                "revoke",
            ]
            with hub.running.client("prof") as http:
                http.get(
                    "tokens"
                ).raise_for_status()  # what was used is written down, so that it can be named
            subprocess.run([*command, number], check=True, capture_output=True, timeout=60)
            assert ended(socket, within=25)
        else:
            assert ended(socket, within=45)
