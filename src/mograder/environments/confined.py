"""The health check of a new environment in a jail: packages' own code never runs with the hub's rights."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mograder.environments import build
from mograder.environments.build import Check
from mograder.errors import EnvironmentFailed, SandboxError
from mograder.sandbox import interpreters
from mograder.sandbox.identities import Identities
from mograder.sandbox.jail import Jail, JailPlan

_KEPT = 4096


def check_in_jail(identities: Identities) -> Check:
    """A check that sees the environment and the Python behind it, no network and nothing of the hub's.

    The environment must be readable by everybody by then.
    """

    def check(command: list[str]) -> None:
        # Not in memory: a package that never stops printing would fill it.
        with tempfile.TemporaryFile() as output:
            status = _run(command, identities, output.fileno())
            size = os.fstat(output.fileno()).st_size
            said = os.pread(output.fileno(), _KEPT, max(0, size - _KEPT)).decode("utf-8", "replace")
        if status != 0:
            raise build.broken(said, status)

    return check


def _run(command: list[str], identities: Identities, output: int) -> int:
    root = Path(command[0]).parent.parent
    try:
        shown = tuple((path, str(path)) for path in interpreters.of_environment(root))
        jail = Jail.start(
            JailPlan(identities=identities, read_only=shown, writable=()), command, output=output
        )
    except SandboxError as error:
        raise EnvironmentFailed(
            "The new environment could not be tried in a sandbox: {reason}",
            tip="mograder hub check",
            reason=error.message,
        ) from error
    try:
        if not jail.wait(build.CHECK_SECONDS):
            raise EnvironmentFailed(build.too_slow())
        status = jail.exit_status()
        return 1 if status is None else status
    finally:
        jail.stop()
