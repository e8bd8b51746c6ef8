"""Packages that nothing needs any more are deleted: ``Coursework.prune``, ``mograder.hub.packages``."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from mograder.course import Course
from mograder.environments import Lock, environment_id
from mograder.hub.app import build
from mograder.hub.releases import LOCK
from mograder.hub.settings import Options, combine
from mograder.sessions.launchers.process import ProcessLauncher
from tests.support.hub import make_course

OLD = 3 * 86400


def test_what_is_published_or_new_stays_and_the_rest_goes(tmp_path: Path) -> None:
    course = make_course(tmp_path / "course", '[hub]\nsandbox = "off"\n')
    lock = "marimo==0.20.4\n"
    (course / "hub-release" / "A1-Answer" / LOCK).write_text(lock)
    environments = course / ".mograder" / "environments"
    needed, unneeded, just_built = environment_id(Lock(lock)), "a" * 20, "b" * 20
    for name in (needed, unneeded, just_built):
        (environments / name).mkdir(parents=True)
        if name != just_built:
            when = (environments / name).stat().st_mtime - OLD
            os.utime(environments / name, (when, when))
    hub = build(combine(Course.load(course), Options(dev=True), ""), ProcessLauncher())
    try:
        assert asyncio.run(hub.app.state.coursework.prune()) == [unneeded]
    finally:
        hub.engine.dispose()
    left = {path.name for path in environments.iterdir() if len(path.name) == 20}
    assert left == {needed, just_built}
