"""The changes made to marimo in memory, each with a probe that says when marimo has moved.

``prepare`` puts them in place, once in a process; they sleep until ``enter`` says what this process serves. So a warm
process prepares for all its sessions, and a kernel, which never enters, has marimo and multiprocessing as they are.

``HookMissing`` means that the installed marimo no longer has the place that a hook changes. Where the hook carries
the session, serving falls back to the relay; elsewhere the session goes on without it and its log says so.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class HookMissing(Exception):
    """The installed marimo (or a library under it) lacks the place that a hook changes."""


class _Served:
    """What this process serves. ``settings`` is None in every process that is no server."""

    listener: socket.socket | None = None
    settings: Mapping[str, Any] | None = None
    around: Callable[[Any], Any] = staticmethod(lambda application: application)


_served = _Served()
_prepared: list[str] = []


def prepare() -> None:
    """Put the changes in place. Raises ``HookMissing`` if marimo can not be made to use a given socket."""
    if _prepared:
        return
    _prepared.append("given socket")
    _given_socket()
    hooks: tuple[Callable[[], None], ...] = (_private_channel, _locked_settings, _atomic_saves, _no_log_file)
    for hook in hooks:
        try:
            hook()
        except HookMissing as missing:
            print(f"mograder: going on without a change to marimo: {missing}", file=sys.stderr)


def enter(
    settings: Mapping[str, Any],
    listener: socket.socket | None = None,
    around: Callable[[Any], Any] | None = None,
) -> None:
    """From now on this process is marimo's server, on ``listener`` (None: on none, for an export).

    ``settings`` win over every configuration that a student can write. ``around`` makes of marimo's ASGI application
    the one that is served.
    """
    _served.settings, _served.listener = settings, listener
    if around is not None:
        _served.around = around


def is_server() -> bool:
    """Whether this process serves a notebook; a kernel does not."""
    return _served.listener is not None


def _given_socket() -> None:
    """marimo's web server accepts on the given socket, in place of a TCP port of its own."""
    server: Any = getattr(_module("uvicorn"), "Server", None)
    original = getattr(server, "run", None)
    if original is None or "sockets" not in inspect.signature(original).parameters:
        raise HookMissing("uvicorn.Server.run takes no sockets")

    def run(self: Any, sockets: Any = None) -> Any:
        if _served.listener is None:
            return original(self, sockets=sockets)
        self.config.app = _served.around(self.config.app)
        return original(self, sockets=[_served.listener])

    server.run = run


def _private_channel() -> None:
    """The server-kernel channel is a unix socket, in place of loopback TCP.

    Stock marimo listens on 127.0.0.1 without a key and unpickles what it is sent: whoever shares the loopback and
    connects first runs code in the server. A unix socket lies in multiprocessing's own directory, mode 0700.
    """
    connection = _module("multiprocessing.connection")
    original: Any = connection.Listener

    class Listener(original):  # type: ignore[misc]
        def __init__(self, address: Any = None, family: Any = None, *args: Any, **named: Any) -> None:
            if _served.settings is not None and family == "AF_INET" and address is None:
                family = "AF_UNIX"
            super().__init__(address, family, *args, **named)

    connection.Listener = Listener


def _locked_settings() -> None:
    """Our settings lie over every configuration that a student can write, and stay on top."""
    start = _module("marimo._server.start")
    original = getattr(start, "get_default_config_manager", None)
    manager: Any = getattr(_module("marimo._config.manager"), "MarimoConfigManager", None)
    override = getattr(manager, "with_overrides", None)
    if original is None or override is None:
        raise HookMissing("marimo's configuration takes no overrides")

    def lock(made: Any) -> Any:
        return made if _served.settings is None else override(made, dict(_served.settings))

    def first(*args: Any, **named: Any) -> Any:
        return lock(original(*args, **named))

    def again(self: Any, *args: Any, **named: Any) -> Any:
        # marimo itself lays a notebook's header over everything else in this way.
        return lock(override(self, *args, **named))

    start.get_default_config_manager = first
    manager.with_overrides = again


def _atomic_saves() -> None:
    """marimo replaces a notebook in one step where it would truncate and then write it."""
    for name in ("marimo._session.notebook.storage", "marimo._server.notebook.storage"):
        storage: Any = getattr(_optional(name), "FilesystemStorage", None)
        if hasattr(storage, "write"):
            break
    else:
        raise HookMissing("marimo has no FilesystemStorage.write")
    original = storage.write

    def write(self: Any, path: Path, content: str) -> None:
        if _served.settings is None:
            original(self, path, content)
            return
        try:
            replace_text(Path(str(path)), content)
        except PermissionError:
            # The notebook may be writable where its directory is not. Any other error is the student's to see, and
            # the old notebook stays: written in place on a full disk, it would be empty.
            original(self, path, content)

    storage.write = write


def _no_log_file() -> None:
    """marimo's messages go to its output alone, which is the session's log.

    The log file that it would keep in the home directory besides was named in the warm process: in a session its
    directory is not there, and every message would come with the traceback of that.
    """
    logger = getattr(_module("marimo._loggers"), "marimo_logger", None)
    if logger is None:
        raise HookMissing("marimo._loggers has no marimo_logger")
    messages = logger()
    for handler in [handler for handler in messages.handlers if isinstance(handler, logging.FileHandler)]:
        messages.removeHandler(handler)
        handler.close()


def replace_text(path: Path, content: str) -> None:
    """Write ``content`` (UTF-8) to ``path`` so that a reader, and a crash, meet the old text or the new, whole.

    A new file lies beside the old one and takes its permissions. Raises ``OSError``; the old file is then untouched.
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
