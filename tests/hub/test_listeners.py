"""``mograder.hub.listeners``: a port, and a unix socket that the login proxy alone can open."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import stat
import threading
from pathlib import Path

import httpx
import pytest

from mograder.errors import MograderError
from mograder.hub.listeners import group_id, listen, listen_unix
from tests.support.hub import by_proxy, make_course, running

SECRET = "s" * 40


def place(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_the_socket_is_for_the_hubs_user_and_one_group_and_goes_with_the_hub(tmp_path: Path) -> None:
    path = tmp_path / "hub.sock"
    group = grp.getgrgid(os.getgid()).gr_name
    with listen_unix(path, group):
        assert place(path) == "0o660"
        assert path.stat().st_gid == os.getgid()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        assert os.listdir(tmp_path) == ["hub.sock"]
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
def test_the_group_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    with listen_unix(tmp_path / "hub.sock", "4242"):
        assert (tmp_path / "hub.sock").stat().st_gid == 4242


def test_what_a_killed_hub_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "hub.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listen_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_that_somebody_listens_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hub.sock"
    with listen_unix(path):
        with pytest.raises(MograderError, match="Another program listens"), listen_unix(path):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "hub.sock", tmp_path / "work"
    other.write_text("work")
    {
        "file": lambda: path.write_text("work"),
        "link": lambda: path.symlink_to(other),
        "directory": path.mkdir,
    }[kind]()
    with pytest.raises(MograderError, match="is no socket"), listen_unix(path):
        pass
    assert path.exists() and other.read_text() == "work"


def test_a_hub_that_ends_late_does_not_take_the_next_ones_socket_away(tmp_path: Path) -> None:
    path = tmp_path / "hub.sock"
    with contextlib.ExitStack() as late:
        old = late.enter_context(listen_unix(path))
        old.close()
        with listen_unix(path):
            late.close()
            assert path.is_socket()


@pytest.mark.parametrize("name", ["missing/hub.sock", "x" * 120])
def test_a_socket_that_can_not_be_made_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(MograderError, match="can not listen on"), listen_unix(tmp_path / name):
        pass
    assert os.listdir(tmp_path) == []


def test_a_group_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(MograderError, match='no group "no-such-group"'):
        group_id("no-such-group")


def test_a_taken_port_is_said() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(MograderError, match="is taken"):
        listen("127.0.0.1", first.getsockname()[1])


@pytest.mark.real
def test_over_the_socket_the_proxy_names_people_and_over_the_port_nobody_does(course_root: Path) -> None:
    course = make_course(course_root / "unix", '[hub]\nunix_socket = "hub.sock"\n')
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as hub:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(course / "hub.sock"))) as proxy:
            named = {"X-Remote-User": "ada", "X-Forwarded-Proto": "https"}
            answer = proxy.get("http://hub/status/ada/A1-Answer", headers=named)
            assert answer.status_code == 200
            assert "Secure" in answer.headers["set-cookie"]  # so the scheme is believed, too
        # Neither the name alone nor a secret that opens some other hub.
        for headers in ({"X-Remote-User": "ada"}, by_proxy("ada")):
            assert httpx.get(hub.url + "status/ada/A1-Answer", headers=headers).status_code == 401


@pytest.mark.real
def test_who_is_gone_before_the_request_is_read_is_not_taken_for_the_proxy(course_root: Path) -> None:
    """A socket that was reset has no address any more; a unix socket never had one."""
    course = make_course(course_root / "unix-reset", '[hub]\nunix_socket = "hub.sock"\n')
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as hub:
        host, port = httpx.URL(hub.url).host, httpx.URL(hub.url).port
        head = b"POST /download-release/eve/A1-Answer HTTP/1.1\r\nHost: hub\r\nX-Remote-User: eve\r\n\r\n"

        def rush() -> None:
            for _ in range(300):
                with socket.create_connection((host, port)) as line:
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    line.sendall(head)

        threads = [threading.Thread(target=rush) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert httpx.get(hub.url + "assignments").status_code == 401
        assert not (course / "hub-notebooks" / "eve").exists()
