"""What people do here: one method for each thing, called by the JSON routes and by the pages."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mograder.environments import Environment
from mograder.errors import Conflict, MograderError, NotALecture, NotFound
from mograder.hub import uploads
from mograder.hub.checking import Checking
from mograder.hub.engine_runner import EngineRunner
from mograder.hub.gateway.assets import Assets
from mograder.hub.grounds import grounds
from mograder.hub.history import SAVE, History, Version, digest
from mograder.hub.isolation import Isolation
from mograder.hub.locks import KeyedLocks
from mograder.hub.looks import Looks
from mograder.hub.origins import Origins
from mograder.hub.overview import ItemState, Overview
from mograder.hub.packages import Packages
from mograder.hub.publishing import Publishing
from mograder.hub.releases import ItemType, Release, Releases
from mograder.hub.store.classroom import AttemptTable
from mograder.hub.store.state import ResultTable, StoredResult
from mograder.hub.updates import Offer, Updates
from mograder.hub.workspaces import FileStatus, Workspaces, remove_scratch, scratch_copy
from mograder.marimo_adapter.assets import first_files, static_files
from mograder.marimo_adapter.options import ServeSpec
from mograder.notebook.merge import Choice
from mograder.sentences import Sentence, packed, unpacked
from mograder.sessions.manager import Sessions
from mograder.sessions.model import LaunchPlan, Session, SessionKey
from mograder.sessions.progress import Progress
from mograder.validation.model import ValidationResult
from mograder.validation.process_runner import ProcessRunner
from mograder.validation.run import ValidationJob, validate
from mograder.validation.runner import Runner

log = logging.getLogger("mograder.hub")

VALIDATED_AT_ONCE = 2
"""Notebooks of the whole course that are run to their end at the same time; the others wait for their turn."""

_LABEL, _CHECKS = 200, 200
"""Characters of a label and checks of a notebook that are counted: both come from a student's code."""


class Coursework:
    """The student's way through an item, from download to reset.

    Changes of one copy are done one after the other: a second click waits for the first and sees its outcome.
    """

    def __init__(
        self,
        releases: Releases,
        workspaces: Workspaces,
        history: History,
        origins: Origins,
        sessions: Sessions,
        packages: Packages,
        results: ResultTable,
        attempts: AttemptTable,
        *,
        state_dir: Path,
        validate_timeout: float,
        isolation: Isolation,
        assets: Assets,
        root: str = "",
    ) -> None:
        self.releases = releases
        self.workspaces = workspaces
        self.history = history
        self._origins = origins
        self._updates = Updates(workspaces, history, origins)
        self.sessions = sessions
        self._packages = packages
        self._results = results
        self._overview = Overview(releases, workspaces, origins, results, sessions)
        self.looks = Looks(self._overview)
        self._attempts = attempts
        self._state_dir = state_dir
        self._validate_timeout = validate_timeout
        self._isolation = isolation
        self._assets = assets
        self._root = root  # the path below which browsers find the hub
        self._offers: dict[str, asyncio.Task[None]] = {}
        self._first: dict[str, tuple[str, ...]] = {}  # by marimo's version: what its editor loads at once
        self._changes = KeyedLocks()
        self._validations: dict[tuple[str, str, str], asyncio.Task[dict[str, Any]]] = {}
        self._validating = asyncio.Semaphore(VALIDATED_AT_ONCE)
        self.checking = Checking()
        self.validated: Counter[str] = Counter()  # by user: how many runs of checks came to their end

    def publishing(self, course: Path) -> Publishing:
        """The instructors' half, on the same releases and packages."""
        return Publishing(self.releases, self._packages, course)

    # -- looking ------------------------------------------------------------------------------------------

    async def is_hidden(self, user: str, name: str) -> bool:
        """Whether a student does not see an item now."""
        return await asyncio.to_thread(self._overview.hidden, user, name)

    async def item(self, user: str, name: str) -> ItemState:
        """One item as ``user`` sees it; it may be neither published nor copied."""
        return await asyncio.to_thread(self._overview.item, user, name)

    async def export(self, user: str, name: str) -> bytes:
        """The notebook as it is now, noted as exported."""
        return await asyncio.to_thread(self.workspaces.export, user, name)

    async def read_notebook(self, user: str, name: str) -> bytes:
        """The notebook as it is now, with no note taken."""
        return await asyncio.to_thread(self.workspaces.notebook, user, name)

    async def published(self, name: str) -> Release:
        """A published item. Raises NotFound."""
        return await asyncio.to_thread(self.releases.get, name)

    async def published_items(self) -> list[tuple[Release, bool]]:
        """Every published item, and whether its packages are ready."""
        return await asyncio.to_thread(
            lambda: [(release, self._packages.is_ready(release)) for release in self.releases.all()]
        )

    async def warmth(self) -> list[tuple[str, str]]:
        """Published items, and in words how ready the session engine is for each; empty if there is no engine."""
        engine = self._isolation.engine
        words = {} if engine is None else await engine.status()
        releases = await asyncio.to_thread(self.releases.all)
        named = [
            (release.name, await asyncio.to_thread(self._packages.name, release)) for release in releases
        ]
        return [(item, words[name]) for item, name in named if name in words]

    def package_problem(self, name: str) -> str:
        """Why a published item's packages could not be had last time, as a sentence; empty if they could."""
        return self._packages.problem(name)

    async def release_file(self, name: str, filename: str) -> bytes:
        """One file of a published item. Raises NotFound."""
        release = await self.published(name)
        return await asyncio.to_thread(release.read, filename)

    async def current_digest(self, user: str, name: str) -> str:
        """The SHA-256 of the notebook as it is now; empty if it can not be read."""
        try:
            return digest(await self.read_notebook(user, name))
        except MograderError:
            return ""

    async def version(self, user: str, name: str, version: str) -> tuple[Version, bytes]:
        """A kept version and its content. Raises NotFound."""
        return await asyncio.to_thread(self.history.read, user, name, version)

    async def versions(self, user: str, name: str) -> list[Version]:
        """What was kept of an item, newest first."""
        return await asyncio.to_thread(self.history.versions, user, name)

    # -- sessions -----------------------------------------------------------------------------------------

    async def open_editor(self, user: str, name: str, *, copy: bool) -> Session:
        """A running editor for a copy, which is made first if there is none and ``copy`` says so.

        Raises:
            NotFound: no such item, or no copy. Conflict: it is a lecture. And what a start may raise.
        """
        key = SessionKey("edit", user, name)
        return await self.sessions.start(key, await self._editor(key, copy))

    async def open_lecture(self, user: str, name: str) -> Session:
        """A running lecture, a process for each person.

        Raises:
            NotFound: no such item. Malformed (400): it is not a lecture. And what a start may raise.
        """
        key = SessionKey("run", user, name)
        release = await asyncio.to_thread(self.releases.get, name)
        if release.type is not ItemType.LECTURE:
            raise NotALecture(
                "{name} is an assignment, so it is edited, not run.", tip="open edit/{name}", name=name
            )

        async def prepare(progress: Progress) -> LaunchPlan:
            place = self._state_dir / "run"
            give = partial(self._isolation.launcher.prepare, user=user)
            scratch = await asyncio.to_thread(scratch_copy, release, place, give)
            try:
                return await self._plan(key, release, scratch, progress, scratch)
            except BaseException:
                remove_scratch(scratch)
                raise

        return await self.sessions.start(key, prepare)

    async def stop(self, kind: str, user: str, name: str) -> bool:
        """End a session; whether there was one."""
        return await self.sessions.stop(SessionKey("run" if kind == "run" else "edit", user, name))

    # -- changes ------------------------------------------------------------------------------------------

    async def download(self, user: str, name: str) -> Version | None:
        """Put the release into the workspace; what was kept of the copy that was there."""
        release = await asyncio.to_thread(self.releases.get, name)
        async with self._changing(user, name):
            return await asyncio.to_thread(self.workspaces.download, user, release)

    async def reset(self, user: str, name: str) -> Version | None:
        """Back to the release; what was kept of the copy."""
        release = await asyncio.to_thread(self.releases.get, name)
        async with self._changing(user, name):
            return await asyncio.to_thread(self.workspaces.reset, user, release)

    async def upload(self, user: str, name: str, data: bytes) -> Version | None:
        """Replace the notebook by an upload, after a look at it; what was kept of the old one.

        Raises:
            NotFound: there is no such item. NotANotebook, UnsafeNotebook: nothing was replaced.
        """
        state = await self.item(user, name)
        if not state.has_release and state.file_status is FileStatus.NOT_STARTED:
            self.releases.get(name)
        if state.type is ItemType.LECTURE:
            raise Conflict("{name} is a lecture: there is nothing to upload.", name=name)
        release = await asyncio.to_thread(self.releases.find, name)
        published = None if release is None else await asyncio.to_thread(release.read, release.notebook)
        await uploads.inspect(data, f"{name}.py", published)
        async with self._changing(user, name):
            if release is not None:
                await asyncio.to_thread(self.workspaces.ensure, user, release)
            return await asyncio.to_thread(self.workspaces.upload, user, name, data)

    async def snapshot(self, user: str, name: str) -> None:
        """Keep the notebook as it was just saved. Raises as `History.keep` and `Workspaces.notebook`."""
        async with self._changes.held((user, name)):
            await asyncio.to_thread(self.workspaces.snapshot, user, name)

    async def restore(self, user: str, name: str, version: str) -> Version | None:
        """Bring a kept version back; what was kept of the one that it replaces."""
        found, _ = await self.version(user, name, version)
        beside = found.file != f"{name}.py"  # an open editor need not end for it
        async with self.holding(user, name) if beside else self._changing(user, name):
            return await asyncio.to_thread(self.workspaces.restore, user, name, version)

    def holding(self, user: str, name: str) -> AbstractAsyncContextManager[None]:
        """Nobody else changes this copy through the hub meanwhile; its editor may go on."""
        return self._changes.held((user, name))

    async def replace(self, user: str, name: str, data: bytes, expected: str) -> Version | None:
        """Put a part of an older version into the copy whose SHA-256 is ``expected``; what was kept of it.

        Raises Conflict if it is another one by now.
        """
        async with self._changing(user, name):
            return await asyncio.to_thread(self.workspaces.replace, user, name, data, "restore", expected)

    async def update_offer(self, user: str, name: str) -> Offer:
        """What an update of a copy to the published version would do. Raises NotFound, Conflict."""
        return await self._updates.look(user, await asyncio.to_thread(self.releases.get, name))

    async def update(self, user: str, name: str, choices: Mapping[str, Choice], seal: str) -> Offer:
        """Bring a copy to the published version, as it was looked at. Raises NotFound, Conflict."""
        release = await asyncio.to_thread(self.releases.get, name)
        await self._updates.check(user, release, seal)  # before an editor is closed for it
        async with self._changing(user, name):
            return await self._updates.apply(user, release, choices, seal)

    async def undo_update(self, user: str, name: str) -> None:
        """Make a copy what it was before its last update. Raises Conflict."""
        async with self._changing(user, name):
            await self._updates.undo(user, name)

    # -- checks -------------------------------------------------------------------------------------------

    async def validate(self, user: str, name: str) -> dict[str, Any]:
        """The checks of the notebook as it is now, as the contract's JSON. What nothing changed for is run once."""
        data = await asyncio.to_thread(self.workspaces.notebook, user, name)
        release = await asyncio.to_thread(self.releases.get, name)
        environment = await self._packages.ready(release)
        now = await asyncio.to_thread(self._grounds, user, release, environment, data)
        stored = await asyncio.to_thread(self._results.get, user, name)
        if stored is not None and stored.grounds == now:
            return _loaded(stored)
        running = (user, name, now)
        if running not in self._validations:
            task = asyncio.create_task(self._validate(user, release, environment, data))
            self._validations[running] = task
            task.add_done_callback(lambda _: self._validations.pop(running, None))
        return await asyncio.shield(self._validations[running])

    async def report(self, user: str, name: str) -> bytes:
        """The page that the last validation made. Raises NotFound."""
        path = self._report_path(user, name)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise NotFound("There is no report of {name} yet.", tip="press Validate.", name=name) from None

    async def last_check(self, user: str, name: str) -> StoredResult | None:
        """The last validation as it was kept, of whatever content; None if there was none."""
        return await asyncio.to_thread(self._results.get, user, name)

    async def checked(self, user: str, name: str) -> dict[str, tuple[int, int]]:
        """How many checks passed, of how many, by the first 12 digits of the SHA-256 of what was validated."""
        return await asyncio.to_thread(self._results.by_content, user, name)

    async def last_result(self, user: str, name: str) -> dict[str, Any] | None:
        """What the last validation found, of whatever content; None if there was none."""
        stored = await asyncio.to_thread(self._results.get, user, name)
        return None if stored is None else _loaded(stored)

    # -- inside -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _changing(self, user: str, name: str) -> AsyncIterator[None]:
        """One change at a time, with no editor open: it would write its own text over the change."""
        async with self._changes.held((user, name)):
            await self.sessions.stop(SessionKey("edit", user, name), Sentence("Its notebook was replaced."))
            yield

    async def _editor(self, key: SessionKey, copy: bool) -> Any:
        release = await asyncio.to_thread(self.releases.find, key.item)
        if release is not None and release.type is ItemType.LECTURE:
            raise Conflict(
                "{item} is a lecture, so it is run, not edited.", tip="open run/{item}", item=key.item
            )
        there = await asyncio.to_thread(self.workspaces.exists, key.user, key.item)
        if release is None:
            release = await asyncio.to_thread(self.releases.get, key.item)
        if not there and not copy:
            raise NotFound(
                "There is no copy of {item} for {user} yet.",
                tip="press Download.",
                item=key.item,
                user=key.user,
            )

        async def prepare(progress: Progress) -> LaunchPlan:
            if not there:
                progress.step(Sentence("Copying the assignment for you"))
            async with self._changes.held((key.user, key.item)):
                await asyncio.to_thread(self.workspaces.ensure, key.user, release)
            return await self._plan(key, release, self.workspaces.path(key.user, key.item), progress, None)

        return prepare

    async def _plan(
        self, key: SessionKey, release: Release, workspace: Path, progress: Progress, scratch: Path | None
    ) -> LaunchPlan:
        progress.step(Sentence("Preparing the packages"))
        environment = await self._packages.ready(release, lambda step: progress.step(step.text))
        serve = ServeSpec(
            mode=key.kind,
            notebook=release.notebook,
            base_url=f"{self._root}/{key.path}",
            asset_url=await self._asset_url(environment),
        )
        learn_from = release.directory / release.notebook
        return LaunchPlan(workspace, environment.python, serve, environment.id, scratch, learn_from)

    async def _validate(
        self, user: str, release: Release, environment: Environment, data: bytes
    ) -> dict[str, Any]:
        name = release.name
        async with self._changes.held((user, name)):
            await asyncio.to_thread(self._keep_checked, user, name, data)
        asset_url = await self._asset_url(environment)
        with self.checking.run(user, name) as run:
            async with self._validating:
                run.begin()
                job = await asyncio.to_thread(self._job, user, release, environment, data, asset_url)
                runner = self._runner(user, release, environment)
                result = await asyncio.to_thread(validate, job, runner, run.found)
        await asyncio.to_thread(self._keep, user, name, job, environment, result)
        self.validated[user] += 1
        return result.to_json()

    def _job(
        self, user: str, release: Release, environment: Environment, data: bytes, asset_url: str
    ) -> ValidationJob:
        return ValidationJob(
            notebook=data,
            name=release.notebook,
            release=release.read(release.notebook),
            files=dict(self.workspaces.beside(user, release.name)),
            python=environment.python,
            timeout_s=self._validate_timeout,
            asset_url=asset_url,
            scratch_dir=self._state_dir / "run",
        )

    def _grounds(self, user: str, release: Release, environment: Environment, data: bytes) -> str:
        checks = release.read(release.notebook)
        beside = self.workspaces.beside(user, release.name)
        return grounds(data, checks, environment.id, self._validate_timeout, beside)

    def first_files(self) -> list[str]:
        """Addresses below the hub's root of what editors load at once: browsers keep these files for good."""
        return [f"_marimo/{version}/{name}" for version, names in self._first.items() for name in names]

    async def _asset_url(self, environment: Environment) -> str:
        """Where browsers find the static files of an environment's marimo: the same place for every session."""
        version = environment.marimo_version
        if version not in self._offers:
            directory = static_files(environment.python).directory
            await asyncio.to_thread(self._assets.store.add, version, directory)
            self._first[version] = await asyncio.to_thread(first_files, directory)
            # They are served from now on; the compressed copies come when they are made.
            self._offers[version] = asyncio.create_task(self._offered(version, directory))
        return f"{self._root}/_marimo/{version}"

    async def _offered(self, version: str, directory: Path) -> None:
        try:
            await self._assets.offer(version, directory)
        except OSError as error:
            # They are served from where they lie, or by the sessions themselves; the next start tries again.
            self._offers.pop(version, None)
            log.warning("marimo's files of %s can not be prepared: %s", version, error)

    def _runner(self, user: str, release: Release, environment: Environment) -> Runner:
        engine = self._isolation.engine
        if engine is None:
            return ProcessRunner()
        notebook = release.directory / release.notebook
        loop = asyncio.get_running_loop()
        return EngineRunner(engine, loop, environment=environment.id, notebook=notebook, user=user)

    async def warm_all(self) -> None:
        """Make ready for every published item, one after the other; what fails is noted and tried when needed."""
        for release in await asyncio.to_thread(self.releases.all):
            try:
                environment = await self._packages.ready(release)
                notebook = release.directory / release.notebook
                await self._asset_url(environment)
                await self._isolation.launcher.warm(environment.id, environment.python, notebook)
            except MograderError as error:
                log.warning("%s is not ready: %s", release.name, error)

    async def prune(self) -> list[str]:
        """Delete the packages that nothing published and no open notebook needs any more; the environments' ids."""
        releases = await asyncio.to_thread(self.releases.all)
        in_use = {session.environment for session in self.sessions.all()}
        gone = await asyncio.to_thread(self._packages.prune, releases, in_use)
        if gone:
            log.info("%d environments that nothing needs were deleted", len(gone))
        return gone

    def _keep_checked(self, user: str, name: str, data: bytes) -> None:
        """What was checked stays a version, so that its result can be looked up."""
        try:
            self.history.keep(user, name, f"{name}.py", data, SAVE)
        except MograderError as error:  # the history is full: the checks are worth more than their place
            log.warning("what was checked of %s/%s is not kept: %s", user, name, error)

    def _keep(
        self, user: str, name: str, job: ValidationJob, environment: Environment, result: ValidationResult
    ) -> None:
        path = self._report_path(user, name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if result.html is None:
            path.unlink(missing_ok=True)  # the one that is there shows another content
        else:
            temporary = path.with_suffix(".part")
            temporary.write_bytes(result.html)
            temporary.replace(path)
        checks = result.checks
        passed = sum(check.status == "success" for check in checks)
        # Of what was really run, which may be newer than what was asked for. A run that was stopped is no answer to
        # keep: the next one may have a quieter machine.
        stands_on = None
        if result.export_ok and job.release is not None:
            beside = ((file, content) for file, content in job.files.items() if isinstance(content, bytes))
            stands_on = grounds(job.notebook, job.release, environment.id, job.timeout_s, beside)
        answer = json.dumps(packed(result.to_json()))
        stored = StoredResult(
            digest(job.notebook), time.time(), passed, len(checks), answer, grounds=stands_on
        )
        self._results.put(user, name, stored)
        tried = [(check.label[:_LABEL], check.status) for check in checks[:_CHECKS]]
        self._attempts.note(user, name, tried, stored.when)

    def _report_path(self, user: str, name: str) -> Path:
        return self._state_dir / "reports" / user / f"{name}.html"


def _loaded(stored: StoredResult) -> dict[str, Any]:
    result: dict[str, Any] = unpacked(json.loads(stored.result))
    return result
