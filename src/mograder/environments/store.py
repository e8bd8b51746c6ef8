"""Environments by name on disk: found, built once whoever asks, checked, pruned."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mograder.environments import provided
from mograder.environments.build import (
    Check,
    Step,
    StepObserver,
    build,
    make_writable,
    run_check,
    site_packages,
)
from mograder.environments.locks import Lock, resolve
from mograder.environments.requirements import Requirements
from mograder.environments.uv import Uv, base_interpreter
from mograder.errors import EnvironmentFailed
from mograder.sentences import Sentence

#: An environment counts as whole for so many seconds after it was looked at. Every file is looked at once (14 000:
#: 70 ms, in the way of a click), the directories from then on (1 500: 4 ms): they tell of all that comes and goes.
TRUSTED_SECONDS = 60.0

_MARKER = "environment.json"

#: An environment, one that is being built, one that is being deleted.
_OURS = re.compile(r"(?:(?:building|gone)-[0-9a-f]+\.)?[0-9a-f]{20}")


@dataclass(frozen=True, slots=True)
class Environment:
    """A finished environment. ``base`` is the Python installation that it borrows its library from."""

    id: str
    root: Path
    marimo_version: str
    base: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.root / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        return site_packages(self.root)


Directories = tuple[tuple[str, int], ...]
"""Paths, and when each was last changed (``st_mtime_ns``)."""


@dataclass(frozen=True, slots=True)
class _Look:
    """When an environment was last found whole, and its directories as they were."""

    when: float
    directories: Directories


def environment_id(lock: Lock) -> str:
    """The name of the environment for ``lock`` on this Python with this mograder: 20 hex digits."""
    parts = (lock.digest, platform.python_version(), base_interpreter(), provided.digest())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


class Environments:
    """The environments in one directory. Any number of threads and processes may share the directory.

    ``check`` runs the health check of a new environment (pass one that does so in a sandbox). ``clock`` gives
    seconds that never go back.
    """

    def __init__(
        self,
        root: Path,
        uv_cache_dir: Path | None = None,
        *,
        check: Check = run_check,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root.absolute()
        self.uv_cache_dir = uv_cache_dir
        self._check = check
        self._clock = clock
        self._trusted: dict[str, _Look] = {}

    def resolve(self, requirements: Requirements) -> Lock:
        """``requirements`` resolved with this directory's uv settings. Raises ``EnvironmentFailed``."""
        self._make_root()
        return resolve(requirements, uv_cache_dir=self.uv_cache_dir, directory=self.root)

    def find(self, lock: Lock) -> Environment | None:
        """The environment of ``lock`` if it is there and whole; nothing is built."""
        key = environment_id(lock)
        environment = self._environment(key, lock)
        now, look = self._clock(), self._trusted.get(key)
        if look is not None and now - look.when < TRUSTED_SECONDS and environment.python.exists():
            return environment
        if look is None or not _is_as(look.directories):
            directories = _whole(environment.root, key)
            if directories is None:
                self._trusted.pop(key, None)
                return None
            look = _Look(now, directories)
        self._trusted[key] = dataclasses.replace(look, when=now)
        return environment

    def ready(
        self, lock: Lock, on_step: StepObserver | None = None, asked: Requirements | None = None
    ) -> Environment:
        """The environment of ``lock``, built now if it is absent or damaged.

        Whoever asks while it is being built, in this process or another, waits for that build. It appears
        whole or not at all. Raises ``EnvironmentFailed``; ``asked`` lets it tell file and line.
        """
        if found := self.find(lock):
            return found
        say, wanted = on_step or (lambda _: None), asked or Requirements()
        lock.check_marimo(wanted)
        key = environment_id(lock)
        try:
            with self._locked(key, say):
                return self.find(lock) or self._build(key, lock, say, wanted)
        except OSError as error:
            reason = error.strerror or str(error)
            raise EnvironmentFailed(
                "The environment can not be written to {directory}: {reason}.",
                directory=self.root,
                reason=reason,
            ) from error

    def doubt(self, environment: Environment) -> None:
        """Look at every file of ``environment`` when it is asked for next: something went wrong with it."""
        self._trusted.pop(environment.id, None)

    def prune(self, keep: Collection[str], *, older_than: float = 0.0) -> list[str]:
        """Delete what is not in ``keep`` (ids) and what builds that were cut off left; the deleted ids.

        One that is being built is left alone, and one that was built less than ``older_than`` seconds ago: it may be
        for something that is not published yet. The caller knows which ones sessions use.
        """
        youngest = time.time() - older_than
        removed: list[str] = []
        for path in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            key = path.name.rpartition(".")[2]
            if path.name in keep or not _OURS.fullmatch(path.name) or _built(path) > youngest:
                continue
            with contextlib.suppress(BlockingIOError), self._locked(key, None):
                self._delete(path)
                removed += [key] if path.name == key else []
        return removed

    def _environment(self, key: str, lock: Lock) -> Environment:
        return Environment(key, self.root / key, lock.marimo_version, Path(sys.base_prefix))

    def _build(self, key: str, lock: Lock, say: StepObserver, asked: Requirements) -> Environment:
        for left in [*self.root.glob(f"building-*.{key}"), self.root / key]:
            self._delete(left)
        beside = self.root / f"building-{uuid.uuid4().hex[:8]}.{key}"
        try:
            uv = Uv(self.root, self.uv_cache_dir)
            build(beside, lock, uv, self._check, say, asked)
            _write_marker(beside, key, lock)
            beside.rename(self.root / key)
        finally:
            self._delete(beside)
        say(Step(Sentence("Ready"), 1.0))
        return self._environment(key, lock)

    def _delete(self, path: Path) -> None:
        """Delete a tree that was made read-only; nobody meets it half deleted under its own name."""
        if not path.is_dir():
            return
        aside = path
        if not path.name.startswith(("building-", "gone-")):
            aside = path.rename(path.with_name(f"gone-{uuid.uuid4().hex[:8]}.{path.name}"))
        self._trusted.pop(path.name, None)
        make_writable(aside)
        shutil.rmtree(aside)

    def _make_root(self) -> None:
        self._locks().mkdir(parents=True, exist_ok=True)

    def _locks(self) -> Path:
        return self.root / "locks"

    @contextlib.contextmanager
    def _locked(self, key: str, say: StepObserver | None) -> Iterator[None]:
        """Hold the lock of ``key`` (the kernel frees it when its holder dies); without ``say``, or raise."""
        self._make_root()
        descriptor = os.open(self._locks() / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if say is None:
                    raise
                say(Step(Sentence("Waiting for the same packages, which are being prepared already")))
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _write_marker(root: Path, key: str, lock: Lock) -> None:
    """The last act of a build; without this file there is no environment."""
    marker = {
        "id": key,
        "marimo": lock.marimo_version,
        "packages": lock.packages,
        "files": _fingerprint(root)[0],
    }
    root.chmod(0o755)
    with (root / _MARKER).open("x", encoding="utf-8") as file:
        json.dump(marker, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o444)
    root.chmod(0o555)


def _whole(root: Path, key: str) -> Directories | None:
    """The directories of an environment as they are, if all is as it was built."""
    try:
        marker = json.loads((root / _MARKER).read_text(encoding="utf-8"))
        files, directories = _fingerprint(root)
        whole = (
            marker.get("id") == key and (root / "bin" / "python").exists() and marker.get("files") == files
        )
    except (OSError, ValueError, AttributeError):
        return None
    return directories if whole else None


def _is_as(directories: Directories) -> bool:
    """Whether nothing came to, or went from, any of them since."""
    try:
        return all(Path(path).stat().st_mtime_ns == changed for path, changed in directories)
    except OSError:
        return False


def _fingerprint(root: Path) -> tuple[str, Directories]:
    """Names, kinds, sizes and times of everything below ``root`` in one hash (contents are not read); directories."""
    state = hashlib.sha256()
    waiting = [(str(root), root.stat().st_mtime_ns)]
    directories = []
    while waiting:
        place = waiting.pop()
        directories.append(place)
        with os.scandir(place[0]) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if entry.path == f"{root}/{_MARKER}":
                continue
            status = entry.stat(follow_symlinks=False)
            directory = entry.is_dir(follow_symlinks=False)
            size = 0 if directory else status.st_size
            state.update(f"{entry.path[len(str(root)) :]}\0{size}\0{status.st_mtime_ns}\n".encode())
            if directory:
                waiting.append((entry.path, status.st_mtime_ns))
    return state.hexdigest(), tuple(directories)


def _built(path: Path) -> float:
    """When a directory came to be, in seconds since the epoch; never, if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
