"""How this hub isolates notebooks: by the session engine, or not at all, and then everybody is told."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from mograder.errors import SandboxError
from mograder.hub.settings import Settings
from mograder.sandbox import preflight
from mograder.sandbox.identities import choose as choose_identities
from mograder.sandbox.limits import Limits
from mograder.sentences import Sentence
from mograder.sessions.engine import starter
from mograder.sessions.engine.starter import EnginePlaces
from mograder.sessions.launchers.base import Launcher
from mograder.sessions.launchers.process import ProcessLauncher
from mograder.sessions.launchers.slots import Slots
from mograder.sessions.launchers.warm import WarmLauncher

log = logging.getLogger("mograder.hub")

AS_ANOTHER = Sentence('start the hub as an ordinary user, or remove sandbox = "off".')

SESSION_WEIGHT = 25
"""Of a session; the hub has 100. Without control groups a niceness of 6: pages answer beside a full class."""

OFF = Sentence("Notebooks run without isolation on this hub.")


@dataclass(frozen=True)
class Isolation:
    """What runs notebooks. ``notice`` is what every page says about it; None if all is well."""

    launcher: Launcher
    notice: str | None = None

    @property
    def engine(self) -> WarmLauncher | None:
        """The session engine's launcher, if notebooks run in sandboxes."""
        return self.launcher if isinstance(self.launcher, WarmLauncher) else None


def choose(settings: Settings) -> Isolation:
    """The best isolation that can be had. Starts the session engine if none runs.

    Raises:
        SandboxError: there is no isolation to be had, and this is no development hub (fail closed); or it is not
            wanted, and this is root.
    """
    if settings.hub.sandbox == "off":
        if problem := without(settings):
            raise SandboxError(problem, tip=AS_ANOTHER)
        return Isolation(ProcessLauncher(), OFF)
    try:
        if not settings.dev:
            _demand(settings)
        return Isolation(_engine(settings))
    except SandboxError as error:
        if not settings.dev:
            raise SandboxError(
                f"Notebooks can not be isolated on this machine: {error.message}",
                tip='run `mograder hub check`; sandbox = "off" in [hub] does without, for people who trust each other.',
            ) from error
        as_root = ", and as root" if os.geteuid() == 0 else ""
        log.warning("notebooks run without isolation%s: %s", as_root, error)
        return Isolation(ProcessLauncher(), OFF)


def without(settings: Settings) -> str:
    """Why this hub may not run notebooks without isolation, as a sentence; empty if it may."""
    if os.geteuid() != 0 or settings.dev:
        return ""
    return Sentence(
        'sandbox = "off" would run notebooks as root, with every right on this machine and no limit that binds.'
    )


def _demand(settings: Settings) -> None:
    """Fail closed: try the host as ``mograder hub check`` does. Raises SandboxError."""
    report = preflight.examine(settings.notebooks_dir, state=settings.state_dir)
    failed = next((probe for probe in report.probes if probe.level == "fail"), None)
    if report.verdict == "refuse":
        words = "it could not be told why" if failed is None else f"{failed.name}: {failed.detail}"
        raise SandboxError(f"{words}.", tip=None if failed is None else failed.remedy)
    if report.verdict == "degraded":
        weak = [p for p in report.probes if p.name in ("limits", "supplementary groups") and p.level != "ok"]
        words = "; ".join(f"{probe.name}: {probe.detail}" for probe in weak)
        log.warning("notebooks are confined less well than they could be (%s): see mograder hub check", words)


def limits(settings: Settings) -> Limits:
    """What one session may use."""
    hub = settings.hub
    return Limits(
        memory_bytes=hub.session_memory_mb << 20,
        processes=hub.session_processes,
        cpu_weight=SESSION_WEIGHT,
        cpu_cores=hub.session_cpus,
        disk_bytes=hub.session_disk_mb << 20,
        file_bytes=min(hub.session_disk_mb, 512) << 20,
    )


def places(settings: Settings) -> EnginePlaces:
    """What the engine sees: environments and published items to read, workspaces and scratch copies to write."""
    state = settings.state_dir
    return EnginePlaces(
        directory=state / "engine",
        read_only=(state / "environments", settings.published_dir),
        writable=(settings.notebooks_dir, state / "run"),
    )


def _engine(settings: Settings) -> WarmLauncher:
    where, identities = places(settings), choose_identities()
    if not _listening(where.socket):
        starter.start(where, identities)
    return WarmLauncher(where, identities, Slots(settings.state_dir / "slots.json"), limits(settings))


def _listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        try:
            line.connect(str(path))
        except OSError:
            return False
        return True
