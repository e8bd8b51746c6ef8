"""The trial that every new warm process has to pass: a session as a student gets it, used as a browser would.

Confinement is no detail of it. A package may work in a plain fork and not under the filter of system calls, within the
limits, or where only the workspace can be written; so the trial goes through the same maker as everybody's sessions.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mograder.errors import MograderError
from mograder.marimo_adapter import control, options, visits
from mograder.marimo_adapter.owner import Warm
from mograder.sandbox import profile
from mograder.sandbox.identities import Identities
from mograder.sandbox.join import in_child
from mograder.sessions.engine.protocol import Launch
from mograder.sessions.engine.tenant import Maker, Tenant

SECONDS = 20.0
"""For the whole trial. Cells that take longer do not matter: a kernel has to come up, nothing else."""

_BASE = "/trial"
_LOG_BYTES = 64 << 10
_SHOWN = 2000


@dataclass(frozen=True)
class Wanted:
    """What is to be tried: an environment, the published notebook (None: a trivial one), what a session may use."""

    environment: str
    python: Path
    notebook: Path | None
    limits: Mapping[str, Any]


Watch = Callable[[Any, Callable[[], None]], None]
"""Has the engine's loop call something whenever something can be read."""

Judged = Callable[[str], None]
"""Hears why sessions of the warm process do not work, with the last words of one; empty if they do."""


class Trial:
    """One that goes on. By ``deadline`` (``time.monotonic``) it is to be judged by what is known of it then."""

    def __init__(self, warm: Warm, identities: Identities, judged: Judged) -> None:
        self.warm = warm
        self.deadline = time.monotonic() + SECONDS + 5  # the visitor ends itself by then
        self._identities = identities
        self._judged = judged
        self._said = b""
        self._tenant: Tenant | None = None
        self._root = Path(tempfile.mkdtemp(prefix="trial-"))
        self._root.chmod(0o1733)  # the student's user makes the workspace in it, and takes away nothing else
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._log = os.open(self._root / "log", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def begin(self, wanted: Wanted, maker: Maker, watch: Watch, unwatch: Callable[[Any], None]) -> None:
        """Start the session and send the visitor. Raises MograderError or OSError; then nothing of it is left."""
        self._unwatch = unwatch
        try:
            self._tenant = self._start(wanted, maker)
            watch(self._tenant.log.reader, self._drain)
            self._send_visitor()
            watch(self._reader, self._hear)
        except BaseException:
            self._clear()
            raise

    def judge(self) -> None:
        """End it, and tell what came of it."""
        _, fatal = visits.verdict(self._said.decode("utf-8", "replace"), SECONDS)
        if self._tenant is not None:
            self._tenant.log.drain()
        words = os.pread(self._log, _LOG_BYTES, 0).decode("utf-8", "replace").strip()
        self._clear()
        self._judged(f"{fatal}. The session's last words: {words[-_SHOWN:] or 'none'}" if fatal else "")

    def _hear(self) -> None:
        try:
            while piece := os.read(self._reader, 4096):
                self._said += piece
        except BlockingIOError:
            return
        self.judge()

    def _drain(self) -> None:
        if self._tenant is not None and not self._tenant.log.drain():
            self._unwatch(self._tenant.log.reader)

    def _start(self, wanted: Wanted, maker: Maker) -> Tenant:
        identity = self._identities.inside(self._slot())
        name, content = "plain.py", options.PLAIN.encode()
        beside: list[Path] = []
        if wanted.notebook is not None:
            name, content = wanted.notebook.name, wanted.notebook.read_bytes()
            beside = [path for path in wanted.notebook.parent.iterdir() if path.name != name]

        def furnish() -> None:
            identity.take()
            self._workspace.mkdir(mode=0o700)
            (self._workspace / name).write_bytes(content)
            for path in beside:  # linked, however large it is: the sandbox of a trial shows where that leads
                (self._workspace / path.name).symlink_to(path)

        in_child(furnish)
        self._notebook = name
        launch = Launch(
            session=self._root.name,
            task="serve",
            spec=options.dumps(options.ServeSpec("edit", name, _BASE)),
            environment=wanted.environment,
            python=str(wanted.python),
            workspace=str(self._workspace),
            slot=self._slot(),
            limits={**wanted.limits, "log_bytes": _LOG_BYTES},
        )
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._root / "socket"))
            listener.listen(16)
            given = {"listener": listener.fileno(), "log": self._log}
            shown = [] if wanted.notebook is None else [wanted.notebook.parent]
            return maker.make(launch, self.warm, given, shown)

    def _send_visitor(self) -> None:
        visit = control.Visit(
            socket=str(self._root / "socket"),
            base_url=_BASE,
            notebook=f"{profile.WORKSPACE}/{self._notebook}",
            seconds=SECONDS,
            writer=self._writer,
        )
        self.warm.visit(visit)
        os.close(self._writer)
        self._writer = -1

    @property
    def _workspace(self) -> Path:
        return self._root / "workspace"

    def _slot(self) -> int:
        """The last of the range: students are numbered from the first."""
        return max(1, self._identities.count)

    def _clear(self) -> None:
        if self._tenant is not None:
            self._unwatch(self._tenant.log.reader)
            self._tenant.end()
            self._tenant.close()
        self._unwatch(self._reader)
        for descriptor in {self._reader, self._writer, self._log} - {-1}:
            os.close(descriptor)
        identity = self._identities.inside(self._slot())

        def empty() -> None:
            identity.take()
            shutil.rmtree(self._workspace, ignore_errors=True)

        try:
            in_child(empty)
        except MograderError as error:
            print(f"a trial's workspace is left behind: {error}", flush=True)
        shutil.rmtree(self._root, ignore_errors=True)
