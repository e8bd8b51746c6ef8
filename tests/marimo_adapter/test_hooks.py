"""The changes made to marimo, and what happens where marimo has moved."""

from __future__ import annotations

import os
import socket
import stat
import sys
import types
from pathlib import Path

import pytest

from mograder.marimo_adapter import hooks


def test_text_is_replaced_whole_with_the_same_permissions(tmp_path: Path) -> None:
    file = tmp_path / "A1.py"
    file.write_text("old")
    file.chmod(0o640)
    hooks.replace_text(file, "größer\n")
    assert file.read_bytes() == "größer\n".encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["A1.py"]


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    hooks.replace_text(tmp_path / "A1.py", "new")
    assert stat.S_IMODE((tmp_path / "A1.py").stat().st_mode) == 0o600


def test_a_failed_replacement_leaves_the_old_text_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "A1.py").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        hooks.replace_text(tmp_path / "A1.py", "half\udc80")
    assert (tmp_path / "A1.py").read_text() == "old"
    assert os.listdir(tmp_path) == ["A1.py"]


def test_a_web_server_that_takes_no_socket_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        def run(self) -> None: ...

    monkeypatch.setitem(sys.modules, "uvicorn", types.SimpleNamespace(Server=Server))
    with (
        socket.socket(socket.AF_UNIX) as listener,
        pytest.raises(hooks.HookMissing, match="takes no sockets"),
    ):
        hooks.serve_on(listener)


def test_a_command_line_that_has_moved_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "marimo._cli.cli", types.SimpleNamespace(start=print))
    with pytest.raises(hooks.HookMissing, match="no click command"):
        hooks.command_line()


def test_a_configuration_that_has_moved_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "marimo._server.start", types.SimpleNamespace())
    with pytest.raises(hooks.HookMissing, match="takes no overrides"):
        hooks.lock_settings({})


def test_what_a_session_can_do_without_is_left_out_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = types.SimpleNamespace()
    for name in (
        "marimo._session.notebook.storage",
        "marimo._server.notebook.storage",
        "marimo._server.start",
    ):
        monkeypatch.setitem(sys.modules, name, moved)
    monkeypatch.setattr(hooks, "private_channel", lambda: None)
    hooks.install({})
    said = capsys.readouterr().err
    assert "FilesystemStorage" in said
    assert "overrides" in said
