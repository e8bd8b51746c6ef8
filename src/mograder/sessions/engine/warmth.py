"""Warm processes by environment: coming, ready, or not to be had."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mograder.errors import EnvironmentFailed, MograderError
from mograder.marimo_adapter import options
from mograder.marimo_adapter.owner import Coming, Warm
from mograder.sandbox import profile
from mograder.sandbox.logs import CappedLog
from mograder.sessions.engine.trial import Judged, Trial, Wanted

RENEWAL = 86400.0
"""Seconds after which a warm process is replaced: all its sessions share its memory layout."""

RETRY = 600.0
"""Seconds after which an environment that could not be kept warm is tried again, and one that could not be renewed."""

LOOK_SECONDS = 15.0
"""How often is looked whether a warm process can still be forked."""

LOG_BYTES = 64 << 10
"""Bytes that are kept in the engine's log of what one warm process says."""

UNUSED = 8 * 86400.0
"""Seconds after which a warm process that nobody wanted is stopped: what is taught every week stays warm."""

_UNFIT = 3
"""Times that an environment's warm processes may become unfit before its sessions get fresh ones."""

Then = Callable[[Warm | None], None]

TryOut = Callable[[Warm, Wanted, Judged], Trial]
"""Begins the trial of a warm process. Raises MograderError or OSError."""


@dataclass
class Warmth:
    """The warm process of one environment. ``then`` are waiting for it; they get None if there will be none.

    On its way it is ``coming``, then on ``trial``. ``due`` is when it is to be made anew, or tried again, ``wanted``
    when somebody last asked for it. ``spoiled`` counts those that became unfit.
    """

    python: Path
    notebook: Path | None
    limits: Mapping[str, Any]
    coming: Coming | None = None
    trial: Trial | None = None
    warm: Warm | None = None
    problem: str = ""
    due: float = field(default_factory=lambda: time.monotonic() + RENEWAL)
    wanted: float = field(default_factory=lambda: time.monotonic())
    spoiled: int = 0
    then: list[Then] = field(default_factory=list)

    @property
    def under_way(self) -> bool:
        """Whether a new one is being made."""
        return self.coming is not None or self.trial is not None

    @property
    def words(self) -> str:
        """How it stands, for people."""
        if self.warm is not None:
            skipped = f", without {', '.join(self.warm.skipped)}" if self.warm.skipped else ""
            return f"warm{skipped}"
        return "starting" if self.under_way else f"fresh processes: {self.problem}"


class Warmths:
    """All of them. ``watch`` and ``unwatch`` tell the engine's loop which channels to look at, ``try_out`` proves one.

    ``write_down`` has it drain a log until its end: what packages print on their import may say why one is left out.
    """

    def __init__(
        self,
        watch: Callable[[Coming | Warm, str], None],
        unwatch: Callable[[Coming | Warm], None],
        write_down: Callable[[CappedLog], None],
        try_out: TryOut,
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._write_down = write_down
        self._try_out = try_out
        self.by_environment: dict[str, Warmth] = {}
        self._next_look = 0.0

    def get(
        self,
        environment: str,
        python: Path,
        notebook: Path | None,
        then: Then,
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        """Call ``then`` with the warm process of an environment as soon as that is known; it may be now.

        ``limits`` are those of the sessions to come (the fields of a ``Limits``).
        """
        now = time.monotonic()
        warmth = self.by_environment.get(environment)
        if warmth is None or (warmth.problem and now > warmth.due):
            warmth = self.by_environment[environment] = Warmth(python, notebook, limits or {})
            self._begin(environment, warmth)
        warmth.wanted = now
        if warmth.under_way and warmth.warm is None:
            warmth.then.append(then)
        else:
            then(warmth.warm)

    def came(self, environment: str) -> None:
        """A warm process has said its first word, or ended. Nobody gets it before it has passed its trial."""
        warmth = self.by_environment[environment]
        coming, warmth.coming = warmth.coming, None
        assert coming is not None
        self._unwatch(coming)
        try:
            warm = coming.finish()
        except EnvironmentFailed as error:
            self._failed(environment, warmth, str(error))
            return
        # A notebook that did not come to its end when it was learned from would only take the time here.
        notebook = warmth.notebook if warm.problem is None else None
        wanted = Wanted(environment, warmth.python, notebook, warmth.limits)
        try:
            warmth.trial = self._try_out(warm, wanted, lambda why: self._judged(environment, warmth, why))
        except (MograderError, OSError) as error:
            warm.stop()
            self._failed(environment, warmth, f"a trial session could not be made: {error}")

    def _judged(self, environment: str, warmth: Warmth, why: str) -> None:
        trial, warmth.trial = warmth.trial, None
        assert trial is not None
        if why:
            trial.warm.stop()
            self._failed(environment, warmth, f"a trial session failed: {why}")
            return
        old, warmth.warm = warmth.warm, trial.warm
        if old is not None:
            self._retire(old)
        warmth.due = time.monotonic() + RENEWAL
        self._watch(trial.warm, environment)
        self._tell(warmth)

    def lost(self, environment: str) -> None:
        """A warm process has ended. Its sessions go on; the next start makes a new one, if none is coming already."""
        warmth = self.by_environment[environment]
        if warmth.warm is not None:
            self._retire(warmth.warm)
            warmth.warm = None
        if not warmth.under_way:
            del self.by_environment[environment]

    def tick(self) -> None:
        """Give up what does not come, renew what is old, replace what is not fit any more, stop what is of no use."""
        now = time.monotonic()
        look = now >= self._next_look
        for environment, warmth in list(self.by_environment.items()):
            if warmth.coming is not None:
                if now > warmth.coming.deadline:
                    self.came(environment)
            elif warmth.trial is not None:
                if now > warmth.trial.deadline:
                    warmth.trial.judge()
            elif look and (now - warmth.wanted > UNUSED or not warmth.python.exists()):
                # Nobody wants it, or its packages were deleted: what it would import later is not there.
                self.lost(environment)
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
