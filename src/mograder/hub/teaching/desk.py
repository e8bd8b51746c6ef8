"""All that the instructors' pages draw on, put together once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mograder.hub.identity.logins import Logins
from mograder.hub.identity.roster import Roster
from mograder.hub.settings import Settings
from mograder.hub.store.classroom import AttemptTable
from mograder.hub.teaching.load import Load


@dataclass(frozen=True)
class Desk:
    """``audit`` is the path of the audit log."""

    settings: Settings
    load: Load
    attempts: AttemptTable
    logins: Logins
    roster: Roster
    audit: Path
