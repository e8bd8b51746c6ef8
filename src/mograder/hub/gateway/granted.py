"""What is open (WebSockets, answers that go on), by what let it in, so that its end is theirs too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mograder.hub.gateway.model import Grant

Revoke = Callable[[], None]


class Granted:
    """What is open under each grant. For the event loop alone. ``holds`` says whether a grant does still."""

    def __init__(self, holds: Callable[[Grant], bool] = lambda _: True) -> None:
        self._holds = holds
        self._open: dict[Grant, set[Revoke]] = {}

    @property
    def grants(self) -> list[Grant]:
        """Every grant under which something is open."""
        return list(self._open)

    def enter(self, grant: Grant, revoke: Revoke) -> None:
        """Call ``revoke`` once ``grant`` does not hold any more, until `leave`; also if it ended on the way here."""
        self._open.setdefault(grant, set()).add(revoke)
        if not self._holds(grant):
            asyncio.get_running_loop().call_soon(self._end_late, grant, revoke)

    def leave(self, grant: Grant, revoke: Revoke) -> None:
        """See `enter`."""
        rest = self._open.get(grant, set())
        rest.discard(revoke)
        if not rest:
            self._open.pop(grant, None)

    def _end_late(self, grant: Grant, revoke: Revoke) -> None:
        if revoke in self._open.get(grant, ()):
            revoke()

    def end(self, ended: Callable[[Grant], bool]) -> None:
        """Revoke what is open under every grant that has ``ended``."""
        for grant in self.grants:
            if ended(grant):
                for revoke in list(self._open.get(grant, ())):
                    revoke()
