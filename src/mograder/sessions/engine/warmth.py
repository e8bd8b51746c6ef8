"""Warm processes by environment: coming, ready, or not to be had."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mograder.errors import EnvironmentFailed
from mograder.marimo_adapter import options
from mograder.marimo_adapter.owner import Coming, Warm
from mograder.sandbox import profile
from mograder.sandbox.logs import CappedLog

RENEWAL = 86400.0
"""Seconds after which a warm process is replaced: all its sessions share its memory layout."""

RETRY = 600.0
"""Seconds after which an environment that could not be kept warm is tried again, and one that could not be renewed."""

LOOK_SECONDS = 15.0
"""How often is looked whether a warm process can still be forked."""

LOG_BYTES = 64 << 10
"""Bytes that are kept in the engine's log of what one warm process says."""

_UNFIT = 3
"""Times that an environment's warm processes may become unfit before its sessions get fresh ones."""

Then = Callable[[Warm | None], None]


@dataclass
class Warmth:
    """The warm process of one environment. ``then`` are waiting for it; they get None if there will be none.

    ``due`` is when it is to be made anew, or tried again. ``spoiled`` counts those that became unfit.
    """

    python: Path
    notebook: Path | None
    coming: Coming | None = None
    warm: Warm | None = None
    problem: str = ""
    due: float = field(default_factory=lambda: time.monotonic() + RENEWAL)
    spoiled: int = 0
    then: list[Then] = field(default_factory=list)

    @property
    def words(self) -> str:
        """How it stands, for people."""
        if self.warm is not None:
            skipped = f", without {', '.join(self.warm.skipped)}" if self.warm.skipped else ""
            return f"warm{skipped}"
        return "starting" if self.coming is not None else f"fresh processes: {self.problem}"


class Warmths:
    """All of them. ``watch`` and ``unwatch`` tell the engine's loop which channels to look at.

    ``write_down`` has it drain a log until its end: what packages print on their import may say why one is left out.
    """

    def __init__(
        self,
        watch: Callable[[Coming | Warm, str], None],
        unwatch: Callable[[Coming | Warm], None],
        write_down: Callable[[CappedLog], None],
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._write_down = write_down
        self.by_environment: dict[str, Warmth] = {}
        self._next_look = 0.0

    def get(self, environment: str, python: Path, notebook: Path | None, then: Then) -> None:
        """Call ``then`` with the warm process of an environment as soon as that is known; it may be now."""
        warmth = self.by_environment.get(environment)
        if warmth is None or (warmth.problem and time.monotonic() > warmth.due):
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
            warmth.warm = coming.finish()
        except EnvironmentFailed as error:
            self._failed(environment, warmth, str(error))
            return
        if old is not None:
            self._retire(old)
        warmth.due = time.monotonic() + RENEWAL
        self._watch(warmth.warm, environment)
        self._tell(warmth)

    def lost(self, environment: str) -> None:
        """A warm process has ended. Its sessions go on; the next start makes a new one, if none is coming already."""
        warmth = self.by_environment[environment]
        if warmth.warm is not None:
            self._retire(warmth.warm)
            warmth.warm = None
        if warmth.coming is None:
            del self.by_environment[environment]

    def tick(self) -> None:
        """Give up what does not come, renew what is old, replace what can not be forked any more."""
        now = time.monotonic()
        look = now >= self._next_look
        for environment, warmth in list(self.by_environment.items()):
            if warmth.coming is not None:
                if now > warmth.coming.deadline:
                    self.came(environment)
            elif warmth.warm is not None and look and (why := warmth.warm.unfit()):
                self._spoiled(environment, warmth, why)
            elif warmth.warm is not None and now > warmth.due:
                self._begin(environment, warmth)
        if look:
            self._next_look = now + LOOK_SECONDS

    def _begin(self, environment: str, warmth: Warmth) -> None:
        env = options.environment(profile.HOME, python=warmth.python)
        log = CappedLog(sys.stderr.fileno(), LOG_BYTES)
        try:
            warmth.coming = Warm.begin(warmth.python, env=env, notebook=warmth.notebook, log=log.writer)
            log.hand_over()
            self._write_down(log)
            self._watch(warmth.coming, environment)
        except OSError as error:
            log.close()
            self._failed(environment, warmth, f"its interpreter can not be started ({error.strerror})")

    def _failed(self, environment: str, warmth: Warmth, why: str) -> None:
        """Without a new one the old one goes on: sessions that share its memory layout are better than slow ones."""
        warmth.due = time.monotonic() + RETRY
        if warmth.warm is None:
            warmth.problem = why
        print(f"{environment} is not {'renewed' if warmth.warm else 'warm'}: {why}", file=sys.stderr)
        self._tell(warmth)

    def _spoiled(self, environment: str, warmth: Warmth, why: str) -> None:
        """Nothing may be forked from it any more: whoever starts meanwhile waits for the next, but not for ever."""
        assert warmth.warm is not None
        self._retire(warmth.warm)
        warmth.warm, warmth.spoiled = None, warmth.spoiled + 1
        if warmth.spoiled < _UNFIT:
            self._begin(environment, warmth)
        else:
            self._failed(environment, warmth, why)

    def _retire(self, warm: Warm) -> None:
        self._unwatch(warm)
        warm.stop()

    def _tell(self, warmth: Warmth) -> None:
        waiting, warmth.then = warmth.then, []
        for then in waiting:
            then(warmth.warm)
