"""What the account page shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mograder.hub.pages.language import N_
from mograder.hub.pages.views import Flash, Page, SessionRow

_VIA = {
    "proxy": N_("your university's login"),
    "dev": N_("a guest of this development hub"),
    "token": N_("a bearer token"),
    "cookie": N_("a sign-in of this browser"),
    "content": N_("a notebook's own address"),
}


@dataclass(frozen=True)
class SignIn:
    """A browser in which somebody is signed in."""

    via: str
    since: datetime
    last_seen: datetime

    @property
    def words(self) -> str:
        """Through what."""
        return _VIA.get(self.via, self.via)


@dataclass(frozen=True)
class Account:
    """Who looks: how they were let in, where they are signed in, what of theirs runs."""

    page: Page
    now: datetime
    via: str
    logins: tuple[SignIn, ...] = ()
    sessions: tuple[SessionRow, ...] = ()
    flash: Flash | None = None

    @property
    def entered(self) -> str:
        """Through what they came in; a cookie only remembers it."""
        return self.logins[0].words if self.via == "cookie" and self.logins else _VIA.get(self.via, self.via)
