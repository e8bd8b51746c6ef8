"""The messages between a warm process and its owner: JSON with descriptors, over a SOCK_SEQPACKET socket.

The owner sends orders; the warm process answers each with the same ``id``, and says when a session has ended.
One message is one packet. No message holds a secret.
"""

from __future__ import annotations

import array
import base64
import json
import os
import resource
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mograder.errors import Malformed, SandboxError
from mograder.marimo_adapter import options

#: Bytes of one message; a seccomp program and an environment take about 10 KiB.
LIMIT = 128 * 1024
_DESCRIPTORS = 16

Task = Literal["serve", "export"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """One session to fork: what to run, as whom, and the descriptors that it gets.

    ``listener`` is a listening socket (``serve`` needs one), ``log`` takes what the session prints (a pipe
    where the session is confined). ``sandbox`` is a socket over which a pidfd of a process inside the sandbox to join
    comes, with a byte, as soon as that stands (`send_sandbox`): the fork is made meanwhile. Without one, nothing is
    confined. ``cgroups`` are open ``cgroup.procs`` files. ``program`` is a seccomp filter
    (empty: none); ``rlimits`` maps names without ``RLIMIT_`` to (soft, hard). ``notebook`` is the published one that
    the session's is a copy of (empty: not known): the warm process prepares for the next session of it.
    """

    spec: options.ServeSpec | options.ExportSpec
    cwd: str
    env: Mapping[str, str]
    listener: int | None = None
    log: int | None = None
    sandbox: int | None = None
    cgroups: Sequence[int] = ()
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    program: bytes = b""
    uid: int | None = None
    gid: int | None = None
    nice: int = 0
    umask: int = 0o077
    notebook: str = ""

    @property
    def task(self) -> Task:
        return "serve" if isinstance(self.spec, options.ServeSpec) else "export"

    def limits(self) -> dict[int, tuple[int, int]]:
        """``rlimits`` by the numbers of this machine. Raises ``Malformed`` for a name that it does not have."""
        numbers: dict[str, Any] = {n: getattr(resource, f"RLIMIT_{n}", None) for n in self.rlimits}
        if unknown := [name for name, number in numbers.items() if number is None]:
            raise Malformed(f"No resource limit is called {', '.join(unknown)} here.")
        return {number: (self.rlimits[name][0], self.rlimits[name][1]) for name, number in numbers.items()}

    def descriptors(self) -> tuple[list[str], list[int]]:
        """What goes along with the message: the meaning of each descriptor, and the descriptors."""
        single = {"listener": self.listener, "log": self.log, "sandbox": self.sandbox}
        given = [(name, number) for name, number in single.items() if number is not None]
        given += [("cgroup", number) for number in self.cgroups]
        return [name for name, _ in given], [number for _, number in given]

    def message(self, key: str) -> dict[str, Any]:
        """The order as a message named ``key``, without the descriptors themselves."""
        plain: dict[str, Any] = {"cwd": self.cwd, "env": dict(self.env), "rlimits": dict(self.rlimits)}
        plain |= {"uid": self.uid, "gid": self.gid, "nice": self.nice, "umask": self.umask}
        plain["notebook"] = self.notebook
        program = base64.b64encode(self.program).decode()
        names, _ = self.descriptors()
        spec = options.dumps(self.spec)
        return {"do": self.task, "id": key, "spec": spec, "program": program, "descriptors": names, **plain}


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A session to be used for a trial, by a fork of the warm process, for ``seconds`` at most.

    ``socket`` is where it listens, ``notebook`` its file as it names it; ``writer`` takes what the visitor says.
    """

    socket: str
    base_url: str
    notebook: str
    seconds: float
    writer: int

    def message(self, key: str) -> dict[str, Any]:
        """The visit as a message named ``key``; ``writer`` goes along."""
        words = {"socket": self.socket, "base_url": self.base_url, "page": self.notebook}
        return {"do": "visit", "id": key, "seconds": self.seconds, **words}


def visit(message: Mapping[str, Any], descriptors: Sequence[int]) -> Visit:
    """The visit that arrived as ``message`` with one descriptor. Raises ``Malformed``."""
    try:
        (writer,) = descriptors
        return Visit(
            socket=str(message["socket"]),
            base_url=str(message["base_url"]),
            notebook=str(message["page"]),
            seconds=float(message["seconds"]),
            writer=writer,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"A visit of a session can not be read: {error!r}.") from error


def order(message: Mapping[str, Any], descriptors: Sequence[int]) -> Order:
    """The order that arrived as ``message`` with ``descriptors``. Raises ``Malformed``."""
    try:
        given = dict(message)
        task, names = given.pop("do"), given.pop("descriptors")
        given.pop("id")
        read = options.loads_serve if task == "serve" else options.loads_export
        given["spec"], given["program"] = read(given["spec"]), base64.b64decode(given["program"])
        by_name = dict(zip(names, descriptors, strict=True))
        cgroups = [number for name, number in zip(names, descriptors, strict=True) if name == "cgroup"]
        by_name.pop("cgroup", None)
        return Order(**given, **by_name, cgroups=cgroups)
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"An order for a session can not be read: {error!r}.") from error


def send_sandbox(channel: socket.socket, pidfd: int) -> None:
    """Let the fork at the other end of ``channel`` into the sandbox behind ``pidfd``. Raises ``OSError``."""
    socket.send_fds(channel, [b"s"], [pidfd])


def await_sandbox(descriptor: int) -> int:
    """The pidfd that comes over the socket ``descriptor``. Raises ``SandboxError`` if none ever will."""
    with socket.socket(fileno=os.dup(descriptor)) as channel:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    if not descriptors:
        raise SandboxError("There is no sandbox.")
    return descriptors[0]


def send(channel: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message. Raises ``OSError`` when the other side has gone."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    channel.sendmsg([json.dumps(message).encode()], rights, socket.MSG_NOSIGNAL)


def receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message (None: the other side has gone), and descriptors, which the caller has to close.

    Raises ``Malformed`` for what is no JSON object.
    """
    size = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
    try:
        data, ancillary, _, _ = channel.recvmsg(LIMIT, size, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return None, []
    descriptors = array.array("i")
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
    if not data:
        return None, list(descriptors)
    try:
        message = json.loads(data)
    except ValueError as error:
        raise Malformed(f"A message is no JSON: {error}.") from error
    if not isinstance(message, dict):
        raise Malformed("A message is no JSON object.")
    return message, list(descriptors)
