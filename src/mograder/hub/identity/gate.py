"""Deciding once per request who is asking: cookie, trusted header, bearer token, dev guest, in this order.

Works on header fields and the socket's address alone, touches no disk in the usual case and never waits, so the
gateway asks it for every request too.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from mograder.course import is_user_name
from mograder.errors import NotSignedIn
from mograder.hub.identity import tokens
from mograder.hub.identity.logins import Logins
from mograder.hub.identity.logins import identity as login_identity
from mograder.hub.identity.model import Identity, Role
from mograder.hub.identity.roster import Roster

COOKIE = "mograder_hub"
SECURE_COOKIE = "__Host-mograder_hub"

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Who is asking (None: nobody), why nobody if so, and the cookie to set (None: none, "": end the old one)."""

    identity: Identity | None
    reason: str = ""
    new_cookie: str | None = None


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What the gate goes by. ``trusted_proxies`` are addresses or networks; "unix" stands for unix sockets."""

    secret: str
    dev: bool
    trusted_header: str
    trusted_proxies: tuple[str, ...]
    instructors: frozenset[str]


class Gate:
    """Names the person behind a request."""

    def __init__(self, settings: GateSettings, logins: Logins, roster: Roster) -> None:
        self._settings = settings
        self._logins = logins
        self._roster = roster
        self._header = settings.trusted_header.lower().encode()
        self._networks = [
            ipaddress.ip_network(proxy, strict=False) for proxy in settings.trusted_proxies if proxy != "unix"
        ]

    def identify(self, headers: Headers, client: str) -> Answer:
        """Who sent a request with these header fields (lower-case names) from this address ("": a unix socket)."""
        fields = list(headers)
        asserted, refusal = self._asserted(fields, client)
        cookie = _cookie(fields)
        login = self._logins.find(cookie) if cookie else None
        if login is not None and asserted in (None, login.user):
            return self._entering(login_identity(login))
        if login is not None and cookie:
            # Somebody else sits at this computer now: the old login must not outlive their coming.
            self._logins.end(cookie)
        if asserted is not None:
            return self._log_in(asserted, "proxy")
        if refusal:
            return Answer(None, refusal)
        return self._bearer(fields) or self._guest()

    def sign_out(self, headers: Headers) -> None:
        """End the login that these header fields carry."""
        if cookie := _cookie(list(headers)):
            self._logins.end(cookie)

    def is_trusted(self, client: str) -> bool:
        """Whether what ``client`` says about the person, the scheme and the host is believed."""
        if self._settings.dev:
            return True
        if client == "":
            return "unix" in self._settings.trusted_proxies
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _asserted(self, fields: list[tuple[bytes, bytes]], client: str) -> tuple[str | None, str]:
        """The name that a trusted proxy gives, or why it is refused."""
        values = [value for name, value in fields if name == self._header]
        if not values or not self.is_trusted(client):
            return None, ""
        if len(values) > 1:
            return None, "the login proxy named two people at once"
        try:
            user = values[0].decode("utf-8").strip()
        except UnicodeDecodeError:
            return None, "the login proxy sent a name that is not UTF-8"
        if not user:
            return None, ""
        if not is_user_name(user):
            return None, "the login proxy sent a name that can not be used here"
        return user, ""

    def _log_in(self, user: str, via: str) -> Answer:
        role = Role.INSTRUCTOR if user in self._settings.instructors else Role.STUDENT
        answer = self._entering(Identity(user, role, via))
        if answer.identity is None:
            return answer
        return Answer(answer.identity, new_cookie=self._logins.begin(user, role, via))

    def _bearer(self, fields: list[tuple[bytes, bytes]]) -> Answer | None:
        values = [value for name, value in fields if name == b"authorization"]
        if len(values) != 1 or values[0][:7].lower() != b"bearer ":
            return None
        try:
            return self._entering(tokens.read(self._settings.secret, values[0][7:].decode("ascii").strip()))
        except (NotSignedIn, UnicodeDecodeError) as error:
            return Answer(None, str(error))

    def _guest(self) -> Answer:
        if not self._settings.dev:
            return Answer(None, "nobody is signed in")
        user = f"guest-{secrets.token_hex(3)}"
        role = Role.INSTRUCTOR if "guest" in self._settings.instructors else Role.STUDENT
        return Answer(Identity(user, role, "dev"), new_cookie=self._logins.begin(user, role, "dev"))

    def _entering(self, identity: Identity) -> Answer:
        """``identity`` with the role of today, if the person may enter today."""
        if identity.user in self._settings.instructors:
            return Answer(Identity(identity.user, Role.INSTRUCTOR, identity.via))
        guest = self._settings.dev and identity.user.startswith("guest-")
        if identity.is_instructor or guest or self._roster.admits(identity.user):
            return Answer(identity)
        return Answer(None, f"{identity.user} is not on the list of this course")


def _cookie(fields: list[tuple[bytes, bytes]]) -> str | None:
    """The value of our cookie. Two of them are a sign of somebody's trick: then there is none."""
    found = []
    for name, value in fields:
        if name != b"cookie":
            continue
        for pair in value.decode("latin-1").split(";"):
            key, _, content = pair.strip().partition("=")
            if key in (COOKIE, SECURE_COOKIE):
                found.append(content)
    return found[0] if len(found) == 1 and found[0] else None
