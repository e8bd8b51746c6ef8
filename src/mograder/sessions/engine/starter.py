"""Starting a session engine in its jail, and finding the one that runs."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from mograder.errors import SandboxError
from mograder.sandbox import cgroups, interpreters, profile
from mograder.sandbox.identities import Identities
from mograder.sandbox.jail import Jail, JailPlan
from mograder.sessions.engine.plan import EnginePlan

_CGROUPS_INSIDE = "/cgroups"
_NOBODY = 65534  # how a user namespace shows a user that it does not map; user_namespaces(7)

_started: list[Jail] = []
"""Engines that this process started: their monitors are our children, to be waited for when they end."""


@dataclass(frozen=True)
class EnginePlaces:
    """Where an engine's things are. ``read_only`` and ``writable`` have the same paths in the jail as outside."""

    directory: Path
    read_only: tuple[Path, ...]
    writable: tuple[Path, ...]

    @property
    def socket(self) -> Path:
        """Where the engine listens."""
        return self.directory / "control"

    def former(self) -> list[Path]:
        """Where engines of earlier versions listen, until their last session has ended."""
        return sorted(self.directory.glob("former-*"))

    def set_aside(self) -> None:
        """Make room for an engine of this version; the one that runs is reached under another name from now on."""
        self.socket.rename(self.directory / f"former-{secrets.token_hex(4)}")


def start(places: EnginePlaces, identities: Identities) -> None:
    """Start an engine; it can be connected to when this returns. It outlives us. Raises SandboxError."""
    for started in _started:
        started.exit_status()
    places.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (*places.read_only, *places.writable):
        path.mkdir(parents=True, exist_ok=True, mode=0o711)
    tree = cgroups.find()
    if tree is not None and identities.per_student:
        tree.give(identities.engine_uid, identities.engine_gid)
    plan = EnginePlan(
        hub_uid=_hub_uid(identities),
        identities=identities,
        tree=None if tree is None else tree.moved(_CGROUPS_INSIDE),
    )
    writable = [(path, str(path)) for path in places.writable]
    writable += [] if tree is None else tree.binds(_CGROUPS_INSIDE)
    read_only = [(path, str(path)) for path in (*interpreters.own(), *places.read_only)]
    jail = JailPlan(identities=identities, read_only=tuple(read_only), writable=tuple(writable))
    log = _log(places.directory / "engine.log")
    listener = _listen(places.socket)
    try:
        os.set_inheritable(listener.fileno(), True)
        command = [
            sys.executable,
            "-I",
            "-B",
            "-m",
            "mograder.sessions.engine",
            str(listener.fileno()),
            plan.dumps(),
        ]
        _started.append(Jail.start(jail, command, output=log, descriptors=[listener.fileno()]))
    finally:
        listener.close()
        os.close(log)


def _log(path: Path) -> int:
    """A new log; that of the engine before, which may say why it ended, is kept as ``….1``."""
    with contextlib.suppress(FileNotFoundError):
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _listen(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > 107:
        raise SandboxError(
            "The course lies too deep in the file system for a socket: {path}.", tip="move it up.", path=path
        )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(16)
    return listener


def _hub_uid(identities: Identities) -> int:
    if identities.how == "root":
        return _NOBODY
    return 0 if identities.how == "subuid" else profile.UID
