"""Is everything there that a hub needs? Each thing is tried; what is not well gets a remedy."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from mograder.environments import OLDEST_MARIMO, Environments, Lock
from mograder.environments.uv import find_uv
from mograder.errors import EnvironmentFailed, MograderError
from mograder.hub import isolation, trial
from mograder.hub.entrances import host_names, login_proxy, untrusted_content
from mograder.hub.identity import tokens
from mograder.hub.releases import Releases
from mograder.hub.settings import Settings, make_directories
from mograder.notebook.read import parse_notebook
from mograder.sandbox import preflight
from mograder.sandbox.preflight import Level, Probe
from mograder.sentences import Sentence

TESTED_MARIMO = (OLDEST_MARIMO, "0.25")
"""Oldest and newest minor versions of marimo that the contract tests run on."""

LOW_DISK = 2 << 30
"""Bytes below which free disk space is worth a warning."""


@dataclass(frozen=True)
class Checkup:
    """All probes, and the verdict on isolation: strict, standard, degraded or refuse ("off": not wanted)."""

    probes: tuple[Probe, ...]
    verdict: str

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return all(probe.level != "fail" for probe in self.probes)


def examine(settings: Settings, secret: str, *, open_one: bool = False) -> Checkup:
    """Try everything that the hub in ``settings`` needs. Takes about a second.

    ``open_one``: also open a published notebook, which takes some more.
    """
    probes = [_secret(secret, settings.dev), _marimo(), _uv()]
    with contextlib.suppress(MograderError):  # told below, for each directory
        make_directories(settings)
    verdict, isolation = _isolation(settings)
    probes += isolation
    probes += [*login_proxy(settings), *host_names(settings), *untrusted_content(settings)]
    probes += [_port(settings), *_directories(settings), _disk(settings.course.root), *_published(settings)]
    if open_one and verdict not in ("refuse", "off"):
        probes += _opened(settings)
    return Checkup(tuple(probes), verdict)


def _probe(name: str, level: Level, detail: str, remedy: str = "") -> Probe:
    return Probe(name=name, level=level, detail=detail, remedy="" if level == "ok" else remedy)


def _secret(secret: str, dev: bool) -> Probe:
    try:
        tokens.check_secret(secret)
    except MograderError as error:
        return _probe("secret", "warn" if dev else "fail", error.message, error.tip or "")
    return _probe("secret", "ok", Sentence("set, {count} characters", count=len(secret)))


def _marimo() -> Probe:
    try:
        version = importlib.metadata.version("marimo")
    except importlib.metadata.PackageNotFoundError:
        return _probe("marimo", "fail", Sentence("not installed"), "pip install marimo")
    oldest, newest = map(Version, TESTED_MARIMO)
    minor = Version(".".join(version.split(".")[:2]))
    if minor < oldest:
        return _probe("marimo", "fail", version, f"pip install 'marimo>={oldest}'")
    if minor > newest:
        return _probe(
            "marimo",
            "warn",
            Sentence("{version}, newer than tested ({newest})", version=version, newest=newest),
            Sentence("it is used as far as it fits"),
        )
    return _probe("marimo", "ok", version)


def _uv() -> Probe:
    try:
        return _probe("uv", "ok", str(find_uv()))
    except EnvironmentFailed as error:
        return _probe("uv", "fail", error.message, error.tip or "pip install uv")


def _isolation(settings: Settings) -> tuple[str, list[Probe]]:
    if settings.hub.sandbox == "off":
        if problem := isolation.without(settings):
            return "refuse", [_probe("sandbox", "fail", problem, isolation.AS_ANOTHER)]
        words = Sentence("off in mograder.toml: notebooks run with the hub's rights")
        return "off", [_probe("sandbox", "warn", words, Sentence('remove sandbox = "off"'))]
    report = preflight.examine(settings.notebooks_dir, state=settings.state_dir)
    level: Level = "ok" if report.verdict in ("strict", "standard") else "warn"
    if report.verdict == "refuse":
        level = "warn" if settings.dev else "fail"
    summary = _probe(
        "sandbox",
        level,
        Sentence(
            "{verdict}; limits by {means}", verdict=Sentence(report.verdict), means=Sentence(report.means)
        ),
        _REMEDIES.get(report.verdict, ""),
    )
    probes = [
        Probe(name=probe.name, level="warn", detail=probe.detail, remedy=probe.remedy)
        if settings.dev and probe.level == "fail"
        else probe
        for probe in report.probes
    ]
    return report.verdict, [summary, *probes]


_REMEDIES = {
    "refuse": Sentence('mend what failed below; sandbox = "off" in [hub] does without isolation'),
    "degraded": Sentence("mend what is said below about limits and supplementary groups"),
}


def _port(settings: Settings) -> Probe:
    host, port = settings.hub.host, settings.hub.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            words = f"{host}:{port}: {error.strerror}"
            return _probe("port", "fail", words, "choose another with --port, or stop what has it")
    return _probe("port", "ok", f"{host}:{port} is free")


def _directories(settings: Settings) -> Iterator[Probe]:
    places = {
        "state": settings.state_dir,
        "notebooks": settings.notebooks_dir,
        "releases": settings.published_dir,
    }
    for name, path in places.items():
        good = os.access(path, os.W_OK | os.X_OK)
        yield _probe(name, "ok" if good else "fail", str(path), Sentence("let the hub's user write there"))


def _disk(root: Path) -> Probe:
    free = shutil.disk_usage(root).free
    words = Sentence("{size} GB free", size=f"{free / (1 << 30):.0f}")
    return _probe(
        "space", "ok" if free > LOW_DISK else "warn", words, Sentence("make room: students' work needs it")
    )


def _opened(settings: Settings) -> Iterator[Probe]:
    """One notebook is opened, and of the others it is told how the hub that runs stands."""
    environments = Environments(settings.state_dir / "environments")
    standing = trial.standing(settings)
    tried = False
    for release in Releases(settings.published_dir).all():
        lock = release.lock()
        found = None if lock is None else environments.find(Lock(lock))
        if found is None:
            continue
        if not tried:
            yield from trial.open_one(settings, release, found)
        elif found.id in standing:
            yield trial.warmth(release.name, standing[found.id])
        tried = True
    if not tried:
        yield _probe("session", "warn", "no notebook was opened: no packages are ready", "publish an item")


def _published(settings: Settings) -> Iterator[Probe]:
    releases = Releases(settings.published_dir).all()
    if not releases:
        yield _probe(
            "published",
            "warn",
            Sentence("nothing is published yet"),
            "mograder generate, then mograder hub publish",
        )
    environments = Environments(settings.state_dir / "environments")
    for release in releases:
        name = Sentence("item {name}", name=release.name)
        try:
            parse_notebook(release.read(release.notebook), limit=20 << 20, name=release.notebook)
            lock = release.lock()
            ready = lock is not None and environments.find(Lock(lock)) is not None
        except MograderError as error:
            yield _probe(name, "fail", error.message, error.tip or Sentence("publish it again"))
            continue
        words = {"type": Sentence(release.type.value), "count": len(release.everything)}
        if lock is None:
            yield _probe(
                name,
                "warn",
                Sentence(
                    "{type}, {count} files, put up by hand: the first start tries its packages", **words
                ),
                Sentence("mograder hub publish tries them before anybody opens it"),
            )
        elif ready:
            yield _probe(name, "ok", Sentence("{type}, {count} files, packages ready", **words))
        else:
            yield _probe(
                name,
                "warn",
                Sentence("{type}, {count} files, packages not built yet", **words),
                Sentence("the first start builds them"),
            )
