"""The warm process of an environment: has marimo and the environment's packages imported, and forks sessions.

``python -I -B -m mograder.marimo_adapter.warm --fd N`` with one end of a SOCK_SEQPACKET pair; ``owner``
starts it. It must stay without threads and holds no secret. Sessions are not bound to its life: they go on
when it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from mograder.errors import MograderError
from mograder.marimo_adapter import (
    caches,
    canary,
    commands,
    control,
    early,
    hooks,
    kernels,
    patterns,
    preload,
    rehearsal,
    session,
    stillness,
    visits,
)
from mograder.sandbox import join

#: Times that the process starts itself anew without a package that can not be forked.
_ATTEMPTS = 6


class _Refused(Exception):
    """This environment can not be kept warm. ``kind`` is one word for programs, the message is for people."""

    def __init__(self, kind: str, reason: str, module: str = "") -> None:
        super().__init__(reason)
        self.kind, self.module = kind, module


def main(words: list[str] | None = None) -> int:
    """Get ready, say so, and serve the owner until it has gone; the exit status (1: said why over the socket)."""
    given = _parser().parse_args(words)
    channel = socket.socket(fileno=given.fd)
    try:
        word = _get_ready(given, channel)
        stillness.settle()
    except _Refused as refused:
        said = {"failed": refused.kind, "reason": str(refused), "module": refused.module}
        control.send(channel, said)
        return 1
    join.become_subreaper()
    control.send(channel, word)
    _Warm(channel, given.notebook).run()
    return 0


def _get_ready(given: argparse.Namespace, channel: socket.socket) -> dict[str, Any]:
    """Import and prepare all that sessions share; what to tell the owner. Raises ``_Refused``."""
    if failed := preload.bring(preload.BASE):
        raise _Refused("import", f"{failed[0]} can not be imported")
    try:
        hooks.prepare()
        kernels.prepare()
        commands.prepare()
        early.misfit()  # is remembered
    except hooks.HookMissing as missing:
        raise _Refused("marimo", f"this marimo can not be prepared: {missing}") from missing
    caches.forget()
    learned = _learn(given)
    try:
        absent = preload.bring([*learned.modules, *preload.ALSO], given.skip)
        absent = [name for name in absent if name not in preload.ALSO]
    except preload.NotForkable as unfit:
        _start_anew(given, learned, unfit, channel)
    if shared := preload.shared_memory():
        raise _Refused("shared memory", f"packages leave memory that sessions would share: {shared[0]}")
    caches.forget()
    patterns.remember(learned.patterns)
    for words in rehearsal.rehearse(given.notebook, learned.notes):
        print(f"mograder: left to each session: {words}", file=sys.stderr)
    if not preload.alone():
        raise _Refused("threads", "a library starts a thread when it is first used")
    word = {"ready": os.getpid(), "marimo": version("marimo"), "modules": len(sys.modules)}
    return word | {"skipped": given.skip, "absent": absent, "problem": learned.problem}


class _Warm:
    """Answers orders, and reaps at once: a sandbox can not go while a zombie of ours is in it."""

    def __init__(self, channel: socket.socket, notebook: Path | None) -> None:
        self._channel = channel
        self._live: dict[int, str] = {}
        self._read: set[tuple[str, int]] = set()
        if notebook is not None:
            self._read.add(_version(notebook))

    def run(self) -> None:
        """Until the owner has gone."""
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(reader, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if reader in ready:
                    os.read(reader, 4096)
                    self._reap()
                if self._channel.fileno() in ready and not self._answer():
                    return

    def _answer(self) -> bool:
        descriptors: list[int] = []
        key, notebook = "", ""
        try:
            message, descriptors = control.receive(self._channel)
            if message is None:
                return False
            key, notebook = str(message.get("id", "")), str(message.get("notebook", ""))
            answer = self._do(message, descriptors)
        except (MograderError, OSError) as error:
            answer = {"error": str(error), "kind": type(error).__name__}
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._tell({"id": key, **answer})
        if notebook:
            self._prepare_for(Path(notebook))
        return True

    def _prepare_for(self, notebook: Path) -> None:
        """Sessions of another published notebook come in crowds: the first one has to do without."""
        version = _version(notebook)
        if version in self._read:
            return
        self._read.add(version)
        try:
            rehearsal.read(notebook)
        except Exception as error:  # noqa: BLE001 - marimo's own business; sessions read it themselves
            print(f"mograder: {notebook} is left to each session: {error}", file=sys.stderr)
        stillness.keep()

    def _do(self, message: Mapping[str, Any], descriptors: list[int]) -> dict[str, Any]:
        if message.get("do") == "list":
            return {"alive": [{"pid": pid, "id": key} for pid, key in self._live.items()]}
        if message.get("do") == "visit":
            return {"pid": self._visit(control.visit(message, descriptors))}
        pid = session.fork(control.order(message, descriptors))
        self._live[pid] = str(message.get("id", ""))
        return {"pid": pid}

    def _visit(self, order: control.Visit) -> int:
        """Have a fork of ours use a session: it has most of what that takes already."""
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.alarm(max(1, round(order.seconds)))
            self._channel.close()
            visits.visit(order.writer, order.socket, order.base_url, order.notebook)
        return pid

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._live:
                key = self._live.pop(pid)
                self._tell({"exit": pid, "id": key, "status": os.waitstatus_to_exitcode(status)})

    def _tell(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the owner has gone; the next read says so
            control.send(self._channel, message)


def _version(notebook: Path) -> tuple[str, int]:
    """What tells a published notebook from its next version."""
    try:
        return str(notebook), notebook.stat().st_mtime_ns
    except OSError:
        return str(notebook), 0


def _start_anew(
    given: argparse.Namespace, learned: canary.Learned, unfit: preload.NotForkable, channel: socket.socket
) -> NoReturn:
    """Only a new process is rid of a thread: become one, with what was learned, without the package to blame."""
    package = unfit.root.partition(".")[0]
    if len(given.skip) >= _ATTEMPTS or package == "marimo":
        raise _Refused("threads", str(unfit), unfit.module)
    memory = os.memfd_create("learned", 0)
    with os.fdopen(os.dup(memory), "wb") as file:
        file.write(learned.dumps().encode())
    channel.set_inheritable(True)
    words = [sys.executable, "-I", "-B", "-m", __spec__.name, "--fd", str(channel.fileno())]
    words += ["--learned", str(memory)]
    for name in [*given.skip, package]:
        words += ["--skip", name]
    os.execv(sys.executable, words)  # noqa: S606 - ourselves, with words of our own


def _learn(given: argparse.Namespace) -> canary.Learned:
    if given.learned is not None:
        return _recall(given.learned)
    try:
        learned = canary.learn(given.notebook, timeout=given.timeout)
    except OSError as error:
        raise _Refused("session", f"a trial session could not be made: {error}") from error
    if learned.fatal:
        raise _Refused("session", f"a trial session failed: {learned.fatal}")
    return learned


def _recall(memory: int) -> canary.Learned:
    os.lseek(memory, 0, os.SEEK_SET)
    with os.fdopen(memory, "rb") as file:
        return canary.Learned.loads(file.read())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mograder.marimo_adapter.warm")
    parser.add_argument("--fd", type=int, required=True, help="the control socket")
    parser.add_argument("--notebook", type=Path, help="learn from this one what sessions will need")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for its cells")
    parser.add_argument("--skip", action="append", default=[], help="a package not to import")
    parser.add_argument("--learned", type=int, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
