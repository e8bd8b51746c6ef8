"""How bubblewrap is called."""

from __future__ import annotations

import os
import subprocess

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import bubblewrap
from mograder.sandbox.bubblewrap import Arguments

pytestmark = pytest.mark.real


def run(made: Arguments, *payload: str) -> str:
    made.add("--unshare-user", "--ro-bind", "/", "/")
    process = made.start(payload, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed, said = process.communicate(timeout=10)
    assert process.returncode == 0, said
    return printed.decode()


def test_a_machine_without_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_SYSTEM_PATH", "/nonexistent")
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        bubblewrap.find()


def test_it_is_not_looked_for_where_a_user_could_put_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/tmp")
    assert bubblewrap.find().startswith("/usr")


def test_our_environment_does_not_go_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_SECRET", "canary")
    with Arguments() as made:
        assert "canary" not in run(made, "/usr/bin/env")


def test_arguments_do_not_show_on_its_command_line() -> None:
    with Arguments() as made:
        made.add("--setenv", "A", "not-for-all-to-see")
        assert "not-for-all-to-see" not in run(made, "/bin/cat", "/proc/self/cmdline")


def test_a_descriptor_that_was_not_named_does_not_go_in() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with Arguments() as made:
        listed = run(made, "/bin/ls", "/proc/self/fd").split()
    assert str(writer) not in listed
    os.close(reader)
    os.close(writer)


def test_a_small_file_can_be_given_as_text() -> None:
    with Arguments() as made:
        made.add("--unshare-user", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin")
        made.add("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64")
        made.file("hello", "/etc/motd")
        process = made.start(["/bin/cat", "/etc/motd"], stdout=subprocess.PIPE)
        assert process.communicate(timeout=10)[0] == b"hello"


def test_a_program_that_can_not_be_started_is_a_sandbox_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "find", lambda: "/nonexistent/bwrap")
    with Arguments() as made, pytest.raises(SandboxError, match="could not be started"):
        made.start(["/bin/true"])
