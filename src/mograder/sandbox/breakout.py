"""A dozen ways out of a sandbox, tried from inside: what ``selftest`` runs where a student's code would run.

Standard library and cheap: it runs whenever a hub is checked or started. Each try returns whether it was
contained.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_AF_VSOCK = 40


def tries(facts: Mapping[str, str]) -> dict[str, Callable[[], bool]]:
    """What is tried, by a name that completes "a session can not ...".

    ``facts``: ``secret`` and ``peer`` are paths outside, ``port`` and ``abstract`` sockets of the host,
    ``canary`` a word that the host keeps in its environment, ``runtime`` the directory of the interpreter.
    """
    return {
        "read the hub's files": lambda: _fails(lambda: Path(facts["secret"]).read_text()),
        "see another workspace": lambda: not Path(facts["peer"]).exists(),
        "find the hub's secrets in an environment": lambda: not _in_an_environment(facts["canary"].encode()),
        "reach the host's loopback": lambda: _fails(lambda: _connect(int(facts["port"]))),
        "reach the host's abstract sockets": lambda: _fails(lambda: _connect_abstract(facts["abstract"])),
        "see a network": lambda: [name for _, name in socket.if_nameindex()] == ["lo"],
        "open a socket that no namespace confines": lambda: _fails(lambda: socket.socket(_AF_VSOCK)),
        "see processes of the host": lambda: len([1 for name in os.listdir("/proc") if name.isdigit()]) < 8,  # noqa: PTH208
        "change the runtime": lambda: _fails(lambda: (Path(facts["runtime"]) / ".planted").touch()),
        "change the interpreter it runs on": lambda: _fails(lambda: os.utime("/proc/self/exe")),
        "make a namespace": lambda: _call("unshare", _CLONE_NEWUSER),
        "mount": lambda: _call("mount", b"x", b"/tmp", b"tmpfs", 0, 0),
        "have privileges": _powerless,
        "leave a set-user-id file": lambda: _fails(_leave_a_set_user_id_file),
        "become another user": lambda: _fails(lambda: os.setuid(0)),
    }


def run(facts: Mapping[str, str]) -> list[str]:
    """The names of the tries that succeeded: none, if the sandbox holds."""
    return [name for name, contained in tries(facts).items() if not contained()]


def _fails(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return True
    return False


def _connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), 2).close()


def _connect_abstract(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\0" + name)


def _call(name: str, *arguments: int | bytes) -> bool:
    wide = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return bool(getattr(ctypes.CDLL(None), name)(*wide) != 0)


def _in_an_environment(word: bytes) -> bool:
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if word in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def _leave_a_set_user_id_file() -> None:
    left = Path("left")
    left.touch()
    left.chmod(0o4755)


def _powerless() -> bool:
    with open("/proc/self/status", encoding="utf-8") as lines:  # noqa: PTH123
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    empty = all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    return empty and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
