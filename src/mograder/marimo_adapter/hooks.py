"""The changes made to marimo inside a session's process, each with a probe that says when marimo has moved.

Applied in memory, before marimo's command line runs; nothing on disk is touched. ``HookMissing`` means that
the installed marimo no longer has the place that a hook changes: where the hook carries the session, serving
falls back to the relay; elsewhere the session goes on without it and its log says so.
"""

from __future__ import annotations

import importlib
import inspect
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast


class Command(Protocol):
    """What is used of marimo's command line: click's own entry."""

    def main(self, args: list[str], prog_name: str, *, standalone_mode: bool) -> Any: ...


class HookMissing(Exception):
    """The installed marimo (or a library under it) lacks the place that a hook changes."""


def command_line() -> Command:
    """marimo's own command line (a click group). Raises ``HookMissing``."""
    group: Any = getattr(_module("marimo._cli.cli"), "main", None)
    if not hasattr(group, "main"):
        raise HookMissing("marimo._cli.cli.main is no click command")
    return cast("Command", group)


def serve_on(listener: socket.socket) -> None:
    """Make marimo's web server accept on ``listener`` in place of a TCP port of its own."""
    server: Any = getattr(_module("uvicorn"), "Server", None)
    run = getattr(server, "run", None)
    if run is None or "sockets" not in inspect.signature(run).parameters:
        raise HookMissing("uvicorn.Server.run takes no sockets")

    def run_on_listener(self: Any, sockets: object = None) -> Any:
        return run(self, sockets=[listener])

    server.run = run_on_listener


def private_channel() -> None:
    """Move marimo's server-kernel channel from loopback TCP to a unix socket.

    Stock marimo listens on 127.0.0.1 without a key and unpickles what it is sent: whoever shares the loopback
    and connects first runs code in the server. A unix socket lies in multiprocessing's own directory, mode
    0700.
    """
    connection = _module("multiprocessing.connection")
    original: Any = connection.Listener

    class Listener(original):  # type: ignore[misc]
        def __init__(self, address: Any = None, family: Any = None, *args: Any, **named: Any) -> None:
            private = family == "AF_INET" and address is None
            super().__init__(address, "AF_UNIX" if private else family, *args, **named)

    connection.Listener = Listener


def lock_settings(values: Mapping[str, Any]) -> None:
    """Merge ``values`` over every configuration that a student can write."""
    start = _module("marimo._server.start")
    original = getattr(start, "get_default_config_manager", None)
    manager: Any = getattr(_module("marimo._config.manager"), "MarimoConfigManager", None)
    override = getattr(manager, "with_overrides", None)
    if original is None or override is None:
        raise HookMissing("marimo's configuration takes no overrides")

    def locked(*args: Any, **named: Any) -> Any:
        return override(original(*args, **named), dict(values))

    def locked_again(self: Any, *args: Any, **named: Any) -> Any:
        # marimo itself lays a notebook's header over everything else in this way.
        return override(override(self, *args, **named), dict(values))

    start.get_default_config_manager = locked
    manager.with_overrides = locked_again


def atomic_saves() -> None:
    """Make marimo replace a notebook in one step where it would truncate and then write it."""
    for name in ("marimo._session.notebook.storage", "marimo._server.notebook.storage"):
        storage: Any = getattr(_optional(name), "FilesystemStorage", None)
        if hasattr(storage, "write"):
            break
    else:
        raise HookMissing("marimo has no FilesystemStorage.write")
    original = storage.write

    def write(self: Any, path: Path, content: str) -> None:
        try:
            replace_text(Path(str(path)), content)
        except OSError:
            # A full disk or a read-only directory: marimo's own way words the error for the student.
            original(self, path, content)

    storage.write = write


def replace_text(path: Path, content: str) -> None:
    """Write ``content`` (UTF-8) to ``path`` so that a reader, and a crash, meet the old text or the new,
    whole.

    A new file lies beside the old one and takes its permissions. Raises ``OSError``; the old file is then
    untouched.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode())
            file.flush()
            os.fchmod(file.fileno(), _mode(path))
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def install(values: Mapping[str, Any]) -> None:
    """Apply the hooks that a session can do without; each one that fails is named in the session's log."""
    for hook in (private_channel, lambda: lock_settings(values), atomic_saves):
        try:
            hook()
        except HookMissing as missing:
            print(f"mograder: going on without a change to marimo: {missing}", file=sys.stderr)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o600


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise HookMissing(f"{name} can not be imported: {error}") from error


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
