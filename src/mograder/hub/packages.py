"""The environment of a published item: its lock found or made, its packages ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

from mograder.course import Course
from mograder.environments import (
    Environment,
    Environments,
    Lock,
    Requirements,
    Step,
    check_in_jail,
    environment_id,
    run_check,
)
from mograder.errors import EnvironmentFailed, MograderError, UnusablePackages
from mograder.hub.history import digest
from mograder.hub.releases import Release
from mograder.sandbox.identities import choose
from mograder.sessions.model import Session

_DAY = 86400.0

OnStep = Callable[[Step], None]


def course_environments(course: Course, *, confined: bool = True) -> Environments:
    """The course's environments. A new one is tried in a jail, unless the hub is ``confined`` in nothing."""
    hub = course.config.hub
    cache = course.root / Path(hub.uv_cache_dir).expanduser() if hub.uv_cache_dir else None
    check = check_in_jail(choose()) if confined and hub.sandbox != "off" else run_check
    return Environments(course.state_dir / "environments", cache, check=check)


def taken_away(state_dir: Path, session: Session) -> bool:
    """Whether the packages of an open notebook were deleted: what is there again by now is not in its sandbox."""
    made = state_dir / "environments" / session.environment / "pyvenv.cfg"
    try:
        return made.stat().st_mtime > session.started
    except FileNotFoundError:
        return True


class Packages:
    """Environments by published item. What blocks is handed to threads."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._locks: dict[str, Lock] = {}
        self._problems: dict[str, str] = {}

    async def ready(self, release: Release, on_step: OnStep = lambda step: None) -> Environment:
        """The environment of a release, built if it is not there. Raises EnvironmentFailed."""
        loop = asyncio.get_running_loop()

        def say(step: Step) -> None:
            loop.call_soon_threadsafe(on_step, step)

        return await asyncio.to_thread(self._ready, release, say)

    def prepare(self, notebook: bytes, name: str, on_step: OnStep) -> tuple[Lock, Environment]:
        """Resolve and build for a notebook that is about to be published. Blocks. Raises EnvironmentFailed."""
        lock = self._resolve(notebook, name)
        return lock, self._environments.ready(lock, on_step, _asked(notebook, name))

    def ready_now(self, release: Release, on_step: OnStep) -> Environment:
        """As `ready`, blocking."""
        return self._ready(release, on_step)

    def is_ready(self, release: Release) -> bool:
        """Whether the packages of a release can be used at once. Builds nothing. Blocks."""
        text = release.lock()
        if text is None:
            text = lock.text if (lock := self._locks.get(digest(release.read(release.notebook)))) else None
        return text is not None and self._environments.find(Lock(text)) is not None

    def name(self, release: Release) -> str | None:
        """The id of a release's environment, built or not; None if nobody has asked for it yet. Blocks."""
        text = release.lock()
        lock = Lock(text) if text is not None else self._locks.get(digest(release.read(release.notebook)))
        return None if lock is None else environment_id(lock)

    def prune(self, releases: Iterable[Release], in_use: Collection[str]) -> list[str]:
        """Delete environments that no release and no session (ids ``in_use``) needs, a day after they were built.

        Their ids. Blocks.
        """
        locks = [Lock(text) for release in releases if (text := release.lock()) is not None]
        needed = {environment_id(lock) for lock in (*locks, *self._locks.values())}
        return self._environments.prune(needed | set(in_use), older_than=_DAY)

    def problem(self, name: str) -> str:
        """Why the packages of the item ``name`` could not be had when they were wanted last; empty if they could."""
        return self._problems.get(name, "")

    def _ready(self, release: Release, on_step: OnStep) -> Environment:
        try:
            text = release.lock()
            read = partial(release.read, release.notebook)
            lock = Lock(text) if text is not None else self._resolve(read(), release.name)
            environment = self._environments.find(lock)
            if environment is None:
                environment = self._environments.ready(lock, on_step, _lines(read(), release.name))
        except EnvironmentFailed as error:
            self._problems[release.name] = error.message
            if isinstance(error, UnusablePackages):  # whoever opens the item did not choose them
                raise EnvironmentFailed(error.message, tip=error.tip) from error
            raise
        self._problems.pop(release.name, None)
        return environment

    def _resolve(self, notebook: bytes, name: str) -> Lock:
        """An item that was put there by hand has no lock: it is made once for each content."""
        content = digest(notebook)
        if content not in self._locks:
            self._locks[content] = self._environments.resolve(_asked(notebook, name))
        return self._locks[content]


def _lines(notebook: bytes, name: str) -> Requirements:
    """For messages alone: the lock says what is wanted, even if somebody broke the header since."""
    try:
        return _asked(notebook, name)
    except MograderError:
        return Requirements(source=f"{name}.py")


def _asked(notebook: bytes, name: str) -> Requirements:
    return Requirements.from_notebook(notebook.decode("utf-8", "replace"), name=f"{name}.py")
