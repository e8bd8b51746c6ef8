"""Whatever ends somebody's leave to be in ends what they have open, on the hub's host and on another: WebSockets of
notebooks, streams of events, downloads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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

LARGE = "large.bin"


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

    def streams(self) -> list[str]:
        """Where what they do not read to an end comes from."""
        hubs = [f"{self.hub.hub_url}{path}" for path in ("events", f"events/edit/{self.user}/L01-Intro")]
        return [f"{self.page}_hub/events", *hubs, f"{self.hub.hub_url}all-work/{self.user}"]

    @contextmanager
    def listening(self, **headers: str) -> Iterator[list[Stream]]:
        """They hear and read on from all of that."""
        work = self.hub.running.course / "hub-notebooks" / self.user / ITEM
        if not (work / LARGE).exists():
            (work / LARGE).write_bytes(
                os.urandom(30 << 20)
            )  # more than fits between the hub and who does not read
        with ExitStack() as stack:
            streams = []
            for url in self.streams():
                cookies = self.cookies if url.startswith(self.page) else self.hubs
                fields = headers or {
                    "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())
                }
                streams.append(Stream(self.hub, url, fields))
                stack.callback(streams[-1].line.close)
            yield streams

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
            socket.recv(timeout=600)
            yield socket


class Stream:
    """An answer that goes on, of which nobody has read more than the beginning."""

    def __init__(self, hub: Apart, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self.line = hub.dial()
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)  # or the system takes all of it in
        parts = urlsplit(url)
        fields = {"Host": parts.netloc, "Accept": "*/*", **headers}
        lines = [
            f"GET {parts.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in fields.items()),
            "",
            "",
        ]
        self.line.sendall("\r\n".join(lines).encode())
        head = self.line.recv(4096)
        assert head.startswith(b"HTTP/1.1 200 "), (url, head)
        self.is_file = b"application/zip" in head

    def has_ended(self, within: float = 5) -> bool:
        """Whether the hub ends it: a stream of events as if there were no more, a file as torn."""
        self.line.settimeout(within)
        last = b""
        try:
            while more := self.line.recv(1 << 20):
                last = last[-16:] + more
                if last.endswith(b"\r\n0\r\n\r\n") or last == b"0\r\n\r\n":
                    return not self.is_file
        except TimeoutError:
            return False
        return self.is_file


def have_ended(streams: list[Stream], within: float = 5) -> bool:
    """Whether all of them do."""
    left = [stream.url for stream in streams if not stream.has_ended(within)]
    assert left == []
    return True


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
    zoe = Someone(hub, "zoe")
    with zoe.notebook() as other, zoe.listening() as streams:
        yield
        assert not ended(other, within=1)
        assert [stream.url for stream in streams if not stream.is_file and stream.has_ended(within=0.1)] == []


def test_who_signs_out_leaves_the_notebook(hub: Apart) -> None:
    alice, at_home = Someone(hub, "alice"), Someone(hub, "alice", lecture=True)
    with (
        others_go_on(hub),
        alice.notebook() as socket,
        alice.listening() as streams,
        at_home.notebook() as elsewhere,
    ):
        alice.post("logout")
        assert ended(socket) and have_ended(streams)
        assert not ended(elsewhere, within=1)


def test_who_signs_out_everywhere_leaves_it_everywhere(hub: Apart) -> None:
    alice, at_home = Someone(hub, "alice"), Someone(hub, "alice", lecture=True)
    with (
        others_go_on(hub),
        alice.notebook() as socket,
        at_home.notebook() as elsewhere,
        at_home.listening() as streams,
    ):
        alice.post("account/sign-out-everywhere")
        assert ended(socket) and ended(elsewhere) and have_ended(streams)


def test_the_next_person_at_a_shared_computer_finds_no_notebook_open(hub: Apart) -> None:
    alice = Someone(hub, "alice")
    with others_go_on(hub), alice.notebook() as socket, alice.listening() as streams:
        hub.ask(hub.hub_url, cookies=alice.hubs, **by_proxy("bob"))
        assert ended(socket) and have_ended(streams)


def test_who_is_taken_off_the_list_is_out(hub: Apart) -> None:
    carol = Someone(hub, "carol")
    try:
        with others_go_on(hub), carol.notebook() as socket, carol.listening() as streams:
            with hub.running.client("prof") as http:
                http.post("sync-users", json={"users": ["alice", "bob", "zoe"]}).raise_for_status()
            assert ended(socket) and have_ended(streams)
    finally:
        (hub.running.course / "allowed_users.txt").unlink(missing_ok=True)


def test_who_is_taken_off_the_list_by_an_editor_is_out_soon(hub: Apart) -> None:
    carol = Someone(hub, "carol")
    listed = hub.running.course / "allowed_users.txt"
    try:
        with others_go_on(hub), carol.notebook() as socket, carol.listening() as streams:
            listed.write_text("zoe\n")
            assert ended(socket, within=25) and have_ended(streams)
    finally:
        listed.unlink(missing_ok=True)


@pytest.mark.parametrize("hub", ["path"], indirect=True, scope="module")
@pytest.mark.parametrize("by", ["an instructor", "another process", "the clock"])
def test_what_was_opened_by_a_token_ends_with_it(hub: Apart, by: str) -> None:
    """The content host takes none."""
    dora = Someone(hub, "dora")
    token = tokens.make(SECRET, "dora", Role.STUDENT, lifetime=20 if by == "the clock" else 600)
    number = tokens.opened(SECRET, token).id
    bearer = {"Authorization": f"Bearer {token}"}
    with others_go_on(hub), dora.notebook(**bearer) as socket, dora.listening(**bearer) as streams:
        if by == "an instructor":
            with hub.running.client("prof") as http:
                http.post(f"tokens/{number}/revoke").raise_for_status()
            assert ended(socket) and have_ended(streams)
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
            subprocess.run([*command, number], check=True, capture_output=True, timeout=600)
            assert ended(socket, within=25) and have_ended(streams)
        else:
            assert ended(socket, within=45) and have_ended(streams)
