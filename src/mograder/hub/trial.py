"""A notebook opened as a student would, by an engine that is there for this alone: what no other probe can tell."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from mograder.environments import Environment
from mograder.errors import MograderError
from mograder.hub import isolation
from mograder.hub.releases import Release
from mograder.hub.settings import Settings
from mograder.hub.workspaces import remove_scratch, scratch_copy
from mograder.marimo_adapter.options import ServeSpec
from mograder.sandbox.identities import Identities, choose
from mograder.sandbox.preflight import Probe
from mograder.sessions import places
from mograder.sessions.answers import answers
from mograder.sessions.engine.client import EngineClient
from mograder.sessions.launchers.base import log_tail
from mograder.sessions.launchers.slots import Slots
from mograder.sessions.launchers.warm import WarmLauncher
from mograder.sessions.model import LaunchPlan, LaunchSpec, SessionKey

ANSWER_SECONDS = 60.0

_NOBODY = "nobody"


def open_one(settings: Settings, release: Release, environment: Environment) -> list[Probe]:
    """Open a published notebook in a sandbox, and say how that went. Takes seconds. Blocks."""
    directory = settings.state_dir / "check"
    places.clear([directory])
    users = choose()
    try:
        directory.mkdir(mode=0o700)
        where = replace(isolation.places(settings), directory=directory)
        launcher = WarmLauncher(where, users, _slots(directory, users), isolation.limits(settings))
        return asyncio.run(_open(launcher, directory, settings.state_dir / "run", release, environment))
    except (MograderError, OSError) as error:
        return [_failed(release, str(error))]
    finally:
        places.clear([directory])


def standing(settings: Settings) -> dict[str, str]:
    """How ready the engine of the hub that runs is, by environment, in words; empty if none runs. Blocks."""
    try:
        return asyncio.run(_standing(isolation.places(settings).socket))
    except (MograderError, OSError):
        return {}


def warmth(item: str, words: str) -> Probe:
    """How ready an engine is for an item, as a probe."""
    good = not words.startswith("fresh")
    remedy = "" if good else "every start takes seconds; other versions of its packages may do better"
    return Probe(name=f"warm {item}", level="ok" if good else "warn", detail=words, remedy=remedy)


async def _standing(socket: Path) -> dict[str, str]:
    client = EngineClient(lambda end: None, lambda: None)
    try:
        await client.connect(socket)
        return dict((await client.ask("status"))["environments"])
    finally:
        client.close()


async def _open(
    launcher: WarmLauncher, directory: Path, run: Path, release: Release, environment: Environment
) -> list[Probe]:
    scratch = await asyncio.to_thread(scratch_copy, release, run, partial(launcher.prepare, user=_NOBODY))
    key = SessionKey("edit", _NOBODY, release.name)
    serve = ServeSpec("edit", release.notebook, base_url=f"/{key.path}")
    learn_from = release.directory / release.notebook
    plan = LaunchPlan(scratch, environment.python, serve, environment.id, scratch, learn_from)
    spec = LaunchSpec("check", key, plan, directory / "s", directory)
    try:
        await launcher.launch(spec)  # the first one waits until the environment is warm, or can not be
        await launcher.stop(launcher.promise(spec))
        again = replace(spec, session_id="again")
        begin = time.monotonic()
        handle = await launcher.launch(again)
        if not await answers(spec.socket, f"/{key.path}", ANSWER_SECONDS):
            return [_failed(release, f"it does not answer. {log_tail(spec.log, 500)}".strip())]
        words = f"{release.name} was open after {time.monotonic() - begin:.1f} s ({handle.extra['how']})"
        standing = (await launcher.status()).get(environment.id, "")
        return [Probe(name="session", level="ok", detail=words), warmth(release.name, standing)]
    finally:
        await launcher.shutdown()
        await asyncio.to_thread(remove_scratch, scratch)


def _failed(release: Release, why: str) -> Probe:
    remedy = "what is said here, or the log of the session engine, tells more than the other probes"
    return Probe(
        name="session", level="fail", detail=f"{release.name} can not be opened: {why}", remedy=remedy
    )


def _slots(directory: Path, users: Identities) -> Slots:
    """The last of the range's users, which no student has before all others are given away."""
    path = directory / "slots.json"
    if users.per_student:
        path.write_text(json.dumps({"": users.count - 1}))
    return Slots(path)
