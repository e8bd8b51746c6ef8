"""Who is logged in: random cookies, remembered here and in the database, ended at will."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable

from mograder.hub.identity.model import Identity, Role
from mograder.hub.store.state import Login, LoginTable

IDLE_LIFETIME = 14 * 86400
ABSOLUTE_LIFETIME = 180 * 86400
"""Seconds after which a login ends, unused or in any case."""


class Logins:
    """Logins by cookie. Looking one up touches memory alone, so it can be done for every request."""

    def __init__(self, table: LoginTable, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._known: dict[str, Login] = {login.digest: login for login in table.all()}
        self._used: set[str] = set()

    def begin(self, user: str, role: Role, via: str) -> str:
        """Log somebody in; the cookie's value."""
        cookie = secrets.token_urlsafe(32)
        now = self._clock()
        login = Login(_digest(cookie), user, role.value, via, now, now)
        self._known[login.digest] = login
        self._table.add(login)
        return cookie

    def find(self, cookie: str) -> Login | None:
        """The login behind a cookie, unless it has ended."""
        digest = _digest(cookie)
        login = self._known.get(digest)
        if login is None:
            return None
        if self._expired(login):
            self.end(cookie)
            return None
        self._used.add(digest)
        return login

    def end(self, cookie: str) -> None:
        """Log out. Nothing happens if the cookie is unknown."""
        digest = _digest(cookie)
        if self._known.pop(digest, None) is not None:
            self._table.remove(digest)

    def write_down(self) -> None:
        """Note in the database which logins were used since the last time. Blocks: for a thread."""
        used, self._used = self._used, set()
        self._table.seen(used)
        for digest in used & self._known.keys():
            login = self._known[digest]
            self._known[digest] = Login(**{**login.__dict__, "last_seen": self._clock()})

    def _expired(self, login: Login) -> bool:
        now = self._clock()
        return now - login.last_seen > IDLE_LIFETIME or now - login.created > ABSOLUTE_LIFETIME


def identity(login: Login) -> Identity:
    """Whom a login names."""
    return Identity(login.user, Role(login.role), "cookie")


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
