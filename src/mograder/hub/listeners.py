"""The sockets that the hub listens on: a port, and a unix socket for the login proxy."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from mograder.errors import MograderError

BACKLOG = 4096

MODE = 0o660
"""Of the unix socket: the hub's user and one group may open it, and who opens it is believed."""


@contextlib.contextmanager
def listen_unix(path: Path, group: str = "") -> Iterator[socket.socket]:
    """A unix socket at ``path`` for as long as the block lasts, for ``group`` (name or number; "": the hub's own).

    What a hub that was killed has left there is replaced.

    Raises:
        MograderError: something that is no socket is there, somebody listens there, or it can not be made.
    """
    _refuse_occupied(path)
    # Made under another name and moved there when mode and group are right: nobody finds it open too far.
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        _bind_private(listener, fresh)
        if group:
            os.chown(fresh, -1, group_id(group))
        fresh.chmod(MODE)
        listener.listen(BACKLOG)
        ours = _identity(fresh)
        fresh.rename(path)
    except OSError as error:
        listener.close()
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise MograderError(
            f"The hub can not listen on {path} ({error.strerror or error}).",
            tip="its directory must exist and let the hub's user write; a path has at most 90 bytes.",
        ) from error
    try:
        yield listener
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            if _identity(path) == ours:  # not the one of a hub that has come since
                path.unlink()


def group_id(group: str) -> int:
    """The number of a group that exists. Raises MograderError."""
    try:
        return int(group) if group.isascii() and group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise MograderError(
            f'[hub] unix_socket_group: there is no group "{group}".', tip="name the group of the web server."
        ) from None


def _bind_private(listener: socket.socket, path: Path) -> None:
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)


def _refuse_occupied(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise MograderError(f"{path} is there and is no socket; it is left alone.", tip="move it away.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise MograderError(f"Another program listens on {path}.", tip="stop it first.")


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an address. Raises MograderError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise MograderError(_bind_message(error, host, port), tip=_bind_tip(error)) from error
    return listener


def _bind_message(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this user has."
    return f"The hub can not listen on {host}:{port} ({error.strerror or error})."


def _bind_tip(error: OSError) -> str | None:
    return "choose another one with --port." if error.errno in (errno.EADDRINUSE, errno.EACCES) else None
