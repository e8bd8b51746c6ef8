"""One throw-away session of a notebook, to learn which modules its server and its kernel load.

Which modules these are differs between versions of marimo and between notebooks, so they are looked at, not
listed. The session runs in forks of the warm process, unconfined: it is the published notebook, which the
environment was made for, and the warm process itself has no more to lose. Whether sessions work as students get them is
another question: the engine asks it, of a confined one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from mograder.marimo_adapter import options, patterns, remembered, session, visits
from mograder.marimo_adapter.control import Order


@dataclass(frozen=True)
class Learned:
    """What a session of the notebook loaded, in the order of loading; regular expressions and notes that it used.

    ``problem`` says what went wrong with the notebook, ``fatal`` what went wrong before it had a kernel: then
    sessions do not work in this environment. None: nothing did.
    """

    modules: tuple[str, ...]
    problem: str | None = None
    fatal: str | None = None
    patterns: tuple[patterns.Pattern, ...] = ()
    notes: tuple[str, ...] = ()

    def dumps(self) -> str:
        """As one line of JSON."""
        return json.dumps([self.modules, self.problem, self.patterns, self.notes])

    @classmethod
    def loads(cls, text: bytes) -> Learned:
        """What ``dumps`` wrote."""
        modules, problem, used, notes = json.loads(text)
        return cls(tuple(modules), problem, None, tuple((k, p, f) for k, p, f in used), tuple(notes))


def learn(notebook: Path | None, *, timeout: float) -> Learned:
    """Run ``notebook`` (None: a trivial one) in an editor for at most ``timeout`` seconds, and export a trivial one."""
    with remembered.noting(), tempfile.TemporaryDirectory(prefix="canary-") as name:
        root = Path(name)
        spec = options.ServeSpec("edit", _workspace(root, notebook), "/canary")
        with _session(root, spec) as server:
            problem, fatal = _visit(root, spec, timeout)
            _end(server)
        if fatal:
            words = (root / "log").read_text(errors="replace")
            return Learned((), None, f"{fatal}. The session's last words: {words[-2000:].strip() or 'none'}")
        _export(root)
        told = [_read(root / f"{part}.modules") for part in ("server", "kernel", "export")]
    modules = dict.fromkeys(str(name) for one in told for name in one.get("modules", ()))
    used = dict.fromkeys((str(k), str(p), int(f)) for one in told for k, p, f in one.get("patterns", ()))
    notes = dict.fromkeys(str(text) for one in told for text in one.get("notes", ()))
    return Learned(tuple(modules), problem, None, tuple(used), tuple(notes))


def _export(root: Path) -> None:
    (root / "workspace" / "plain_export.py").write_text(options.PLAIN)
    spec = options.ExportSpec("plain_export.py", str(root / "out.html"))
    order = Order(spec=spec, cwd=str(root / "workspace"), env=options.environment(root / "home"))
    os.waitpid(session.fork(order, after=lambda: tell(root / "export.modules")), 0)


def _workspace(root: Path, notebook: Path | None) -> str:
    """A working directory with a copy of the notebook; what lies beside it is only linked, however large it is."""
    place = root / "workspace"
    place.mkdir()
    if notebook is None:
        (place / "plain.py").write_text(options.PLAIN)
        return "plain.py"
    for entry in notebook.parent.iterdir():
        if entry.name != notebook.name:
            (place / entry.name).symlink_to(entry)
    shutil.copyfile(notebook, place / notebook.name)
    return notebook.name


@contextlib.contextmanager
def _session(root: Path, spec: options.ServeSpec) -> Iterator[int]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(root / "socket"))
    listener.listen(16)
    log = os.open(root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    environment = {**options.environment(root / "home"), "PATH": os.environ.get("PATH", "/usr/bin:/bin")}
    pid = session.fork(
        Order(spec=spec, cwd=str(root / "workspace"), env=environment, listener=listener.fileno(), log=log),
        after=lambda: tell(root / "server.modules"),
    )
    listener.close()
    os.close(log)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _visit(root: Path, spec: options.ServeSpec, timeout: float) -> tuple[str | None, str | None]:
    """Use the session as a browser would, from a fork of our own: the client has threads. Problem, and fatal one."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _visitor(writer, root, spec)
    os.close(writer)
    said = _until_closed(reader, timeout)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return visits.verdict(said, timeout)


def _visitor(writer: int, root: Path, spec: options.ServeSpec) -> NoReturn:
    notebook = str(root / "workspace" / spec.notebook)
    last = _TELL.format(path=str(root / "kernel.modules"))
    visits.visit(writer, str(root / "socket"), spec.base_url, notebook, last)


def _until_closed(reader: int, timeout: float) -> str:
    """What is written to the pipe until its other end is closed, or for ``timeout`` seconds."""
    deadline, said = time.monotonic() + timeout, b""
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            data = pipe.read(4096)
            if not data:
                break
            said += data
    return said.decode("utf-8", "replace")


#: Run in the kernel as a cell of its own.
_TELL = """
from mograder.marimo_adapter import canary as _canary
from pathlib import Path as _Path
_canary.tell(_Path({path!r}))
"""


def tell(path: Path) -> None:
    """Write down what this process has come to need: modules, those of the interpreter and of the environment alone,
    regular expressions, and notes."""
    own = tuple(str(Path(prefix).resolve()) for prefix in (sys.prefix, sys.base_prefix))
    names = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        # A helper module beside the notebook must not be there in a session, which has its own.
        if name.startswith("__m") or (file and not str(Path(file).resolve()).startswith(own)):
            continue
        names.append(name)
    temporary = path.with_suffix(".part")
    told = {"modules": names, "patterns": patterns.used(), "notes": remembered.noted()}
    temporary.write_text(json.dumps(told))
    temporary.replace(path)


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def _end(server: int) -> None:
    """End the server, and give it time to write down its modules."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(server, signal.SIGTERM)
        pidfd = os.pidfd_open(server)
        select.select([pidfd], [], [], 5)
        os.close(pidfd)
