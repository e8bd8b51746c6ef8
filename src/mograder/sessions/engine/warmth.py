"""Warm processes by environment: coming, ready, or not to be had."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mograder.errors import EnvironmentFailed
from mograder.marimo_adapter import options
from mograder.marimo_adapter.owner import Coming, Warm
from mograder.sandbox import profile

RENEWAL = 86400.0
"""Seconds after which a warm process is replaced: all its sessions share its memory layout."""

RETRY = 600.0
"""Seconds after which an environment that could not be kept warm is tried again."""

Then = Callable[[Warm | None], None]


@dataclass
class Warmth:
    """The warm process of one environment. ``then`` are waiting for it; they get None if there will be none."""

    python: Path
    notebook: Path | None
    coming: Coming | None = None
    warm: Warm | None = None
    problem: str = ""
    since: float = field(default_factory=time.monotonic)
    then: list[Then] = field(default_factory=list)

    @property
    def words(self) -> str:
        """How it stands, for people."""
        if self.warm is not None:
            skipped = f", without {', '.join(self.warm.skipped)}" if self.warm.skipped else ""
            return f"warm{skipped}"
        return "starting" if self.coming is not None else f"fresh processes: {self.problem}"


class Warmths:
    """All of them. ``watch`` and ``unwatch`` tell the engine's loop which channels to look at."""

    def __init__(
        self, watch: Callable[[Coming | Warm, str], None], unwatch: Callable[[Coming | Warm], None]
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self.by_environment: dict[str, Warmth] = {}

    def get(self, environment: str, python: Path, notebook: Path | None, then: Then) -> None:
        """Call ``then`` with the warm process of an environment as soon as that is known; it may be now."""
        warmth = self.by_environment.get(environment)
        if warmth is None or (warmth.problem and time.monotonic() - warmth.since > RETRY):
            warmth = self.by_environment[environment] = Warmth(python, notebook)
            self._begin(environment, warmth)
        if warmth.coming is not None and warmth.warm is None:
            warmth.then.append(then)
        else:
            then(warmth.warm)

    def came(self, environment: str) -> None:
        """A warm process has said its first word, or ended."""
        warmth = self.by_environment[environment]
        coming, warmth.coming = warmth.coming, None
        assert coming is not None
        self._unwatch(coming)
        old = warmth.warm
        try:
            warmth.warm, warmth.problem = coming.finish(), ""
            warmth.since = time.monotonic()
            self._watch(warmth.warm, environment)
        except EnvironmentFailed as error:
            warmth.problem = str(error)
        if old is not None and old is not warmth.warm:
            self._retire(old)
        self._tell(warmth)

    def lost(self, environment: str) -> None:
        """A warm process has ended. Its sessions go on; the next start makes a new one."""
        warmth = self.by_environment.pop(environment)
        if warmth.warm is not None:
            self._retire(warmth.warm)

    def tick(self) -> None:
        """Give up what does not come, renew what is old."""
        now = time.monotonic()
        for environment, warmth in list(self.by_environment.items()):
            if warmth.coming is not None and now > warmth.coming.deadline:
                self.came(environment)
            elif warmth.warm is not None and warmth.coming is None and now - warmth.since > RENEWAL:
                self._begin(environment, warmth)

    def _begin(self, environment: str, warmth: Warmth) -> None:
        env = options.environment(profile.HOME, python=warmth.python)
        try:
            warmth.coming = Warm.begin(warmth.python, env=env, notebook=warmth.notebook)
            self._watch(warmth.coming, environment)
        except OSError as error:
            warmth.problem = f"its interpreter can not be started ({error.strerror})"
            self._tell(warmth)

    def _retire(self, warm: Warm) -> None:
        self._unwatch(warm)
        warm.stop()

    def _tell(self, warmth: Warmth) -> None:
        waiting, warmth.then = warmth.then, []
        for then in waiting:
            then(warmth.warm)
