"""The changes made to marimo, and what happens where marimo has moved."""

from __future__ import annotations

import errno
import logging
import multiprocessing.connection
import os
import stat
import sys
import types
from pathlib import Path

import pytest
import uvicorn
from marimo._config.manager import MarimoConfigManager
from marimo._server import start
from marimo._session.notebook.storage import FilesystemStorage

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


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process in which nothing was prepared yet."""
    monkeypatch.setattr(hooks, "_prepared", [])
    return monkeypatch


def test_a_web_server_that_takes_no_socket_is_noticed(fresh: pytest.MonkeyPatch) -> None:
    class Server:
        def run(self) -> None: ...

    fresh.setitem(sys.modules, "uvicorn", types.SimpleNamespace(Server=Server))
    with pytest.raises(hooks.HookMissing, match="takes no sockets"):
        hooks.prepare()


def test_what_a_session_can_do_without_is_left_out_with_a_word(
    fresh: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = types.SimpleNamespace()
    for name in (
        "marimo._session.notebook.storage",
        "marimo._server.notebook.storage",
        "marimo._server.start",
    ):
        fresh.setitem(sys.modules, name, moved)
    fresh.setattr(multiprocessing.connection, "Listener", multiprocessing.connection.Listener)
    fresh.setattr(uvicorn.Server, "run", uvicorn.Server.run)
    hooks.prepare()
    said = capsys.readouterr().err
    assert "FilesystemStorage" in said
    assert "overrides" in said


def test_a_process_that_serves_nothing_has_multiprocessing_as_it_is(fresh: pytest.MonkeyPatch) -> None:
    fresh.setattr(multiprocessing.connection, "Listener", multiprocessing.connection.Listener)
    fresh.setattr(uvicorn.Server, "run", uvicorn.Server.run)
    fresh.setattr(start, "get_default_config_manager", start.get_default_config_manager)
    fresh.setattr(MarimoConfigManager, "with_overrides", MarimoConfigManager.with_overrides)
    fresh.setattr(FilesystemStorage, "write", FilesystemStorage.write)
    hooks.prepare()
    with multiprocessing.connection.Listener(family="AF_INET") as listener:
        assert isinstance(listener.address, tuple)
    fresh.setattr(hooks, "_served", types.SimpleNamespace(settings={}, listener=None))
    with multiprocessing.connection.Listener(family="AF_INET") as listener:
        assert isinstance(listener.address, str)


def test_a_save_that_can_not_be_made_leaves_the_old_notebook(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh.setattr(FilesystemStorage, "write", FilesystemStorage.write)
    vars(hooks)["_atomic_saves"]()
    fresh.setattr(hooks, "_served", types.SimpleNamespace(settings={}, listener=None))
    (tmp_path / "A1.py").write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fresh.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        FilesystemStorage().write(tmp_path / "A1.py", "new")
    assert (tmp_path / "A1.py").read_text() == "old"
    assert os.listdir(tmp_path) == ["A1.py"]


def test_messages_go_to_the_output_and_to_no_file(fresh: pytest.MonkeyPatch) -> None:
    from marimo._loggers import marimo_logger

    marimo_logger().addHandler(logging.FileHandler("/dev/null"))
    hooks.prepare()
    assert marimo_logger().handlers
    assert not any(isinstance(handler, logging.FileHandler) for handler in marimo_logger().handlers)
