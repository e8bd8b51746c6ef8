"""Who is logged in: random cookies, remembered here and in the database, ended at will."""

from __future__ import annotations

import dataclasses
import hmac
import logging
import secrets
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from mograder.hub.identity.model import Role
from mograder.hub.store.state import Login, LoginTable

log = logging.getLogger("mograder.identity")

IDLE_LIFETIME = 14 * 86400
ABSOLUTE_LIFETIME = 180 * 86400
"""Seconds after which a login ends, unused or in any case."""

PER_PERSON = 32
"""Logins that one person may have: a program that keeps no cookie begins one with every request."""

_FRESH = 60.0
"""Seconds within which a use is not worth noting again."""


class Logins:
    """Logins by cookie. Looking one up touches memory alone, so it can be done for every request.

    All but `write_down` is for the event loop. A state that can not be written is logged, and what this process knows
    goes on to hold.
    """

    def __init__(self, table: LoginTable, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._key = b""
        self._known: dict[str, Login] = {login.digest: login for login in table.all()}
        self._used: set[str] = set()
        self._ended: set[str] = set()
        self.on_end: Callable[[str], None] = lambda digest: None
        """Is told the digest of each login that ends while this hub runs, but for those that run out unused."""

    def bind(self, key: str) -> None:
        """Know only logins that were begun under ``key`` from now on: a new secret ends all old ones."""
        self._key = key.encode()

    def begin(self, user: str, role: Role, via: str) -> str:
        """Log somebody in; the cookie's value."""
        cookie = secrets.token_urlsafe(32)
        now = self._clock()
        self._make_room(user)
        login = Login(self.digest(cookie), user, role.value, via, now, now)
        self._known[login.digest] = login
        try:
            self._table.add(login)
        except SQLAlchemyError:
            log.exception("the login of %s is not written down; it ends with this hub", user)
        return cookie

    def find(self, cookie: str) -> Login | None:
        """The login behind a cookie, unless it has ended."""
        return self.known(self.digest(cookie))

    def known(self, digest: str) -> Login | None:
        """The login of this `digest`, unless it has ended."""
        login = self._known.get(digest)
        if login is None:
            return None
        if self._expired(login):
            self._end(login.digest)
            return None
        if self._clock() - login.last_seen > _FRESH:
            login = dataclasses.replace(login, last_seen=self._clock())
            self._known[login.digest] = login
            self._used.add(login.digest)
        return login

    def holds(self, digest: str, user: str) -> bool:
        """Whether this login of ``user`` has not ended; no use of it."""
        login = self._known.get(digest)
        return login is not None and login.user == user and not self._expired(login)

    def end(self, cookie: str) -> None:
        """Log out. Nothing happens if the cookie is unknown."""
        self._end(self.digest(cookie))

    def end_known(self, digest: str) -> None:
        """Log out of the login of this `digest`. Nothing happens if there is none."""
        self._end(digest)

    def end_all(self, user: str) -> int:
        """Log somebody out everywhere; how many logins that were."""
        mine = self.of(user)
        for login in mine:
            self._end(login.digest)
        return len(mine)

    def of(self, user: str) -> list[Login]:
        """Somebody's logins, the one that was used last first."""
        mine = (login for login in self._known.values() if login.user == user and not self._expired(login))
        return sorted(mine, key=lambda login: login.last_seen, reverse=True)

    def latest(self) -> dict[str, Login]:
        """Everybody's login that was used last, by name."""
        found: dict[str, Login] = {}
        for login in sorted(self._known.values(), key=lambda login: login.last_seen):
            if not self._expired(login):
                found[login.user] = login
        return found

    def write_down(self) -> None:
        """Note in the database what was used and what has ended since the last time. Blocks: for a thread."""
        used, self._used = self._used, set()
        known = list(self._known.items())
        self._table.seen((digest, login.last_seen) for digest, login in known if digest in used)
        self._ended |= {digest for digest, login in known if self._expired(login)}
        for digest in list(self._ended):
            self._known.pop(digest, None)
            self._table.remove(digest)
            self._ended.discard(digest)

    def _end(self, digest: str) -> None:
        if self._known.pop(digest, None) is None:
            return
        self._ended.add(digest)  # until the database knows it too
        self.on_end(digest)
        try:
            self._table.remove(digest)
        except SQLAlchemyError:
            log.exception("the end of a login is not written down yet; it is tried again")
        else:
            self._ended.discard(digest)

    def _make_room(self, user: str) -> None:
        mine = [login for login in self._known.values() if login.user == user]
        for login in sorted(mine, key=lambda login: login.last_seen)[: max(0, len(mine) - PER_PERSON + 1)]:
            self._end(login.digest)

    def _expired(self, login: Login) -> bool:
        now = self._clock()
        return now - login.last_seen > IDLE_LIFETIME or now - login.created > ABSOLUTE_LIFETIME

    def digest(self, cookie: str) -> str:
        """What a login is called here: worth nothing to whoever has no cookie for it."""
        return hmac.digest(self._key, cookie.encode(), "sha256").hex()
