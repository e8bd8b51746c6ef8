"""Deciding once per request who is asking: cookie, trusted header, bearer token, dev guest, in this order.

Works on header fields and the socket's address alone, touches no disk in the usual case (a bearer token is looked up
in the database) and never waits, so the gateway asks it for every request too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import inf

from mograder.course import is_user_name
from mograder.errors import NotSignedIn
from mograder.hub.gateway.known import read
from mograder.hub.gateway.model import NOBODY, UNIX, Grant
from mograder.hub.identity import tokens
from mograder.hub.identity.ledger import Ledger
from mograder.hub.identity.logins import Logins
from mograder.hub.identity.model import Identity, Role
from mograder.hub.identity.roster import Roster
from mograder.sentences import Sentence

COOKIE = "mograder_hub"
SECURE_COOKIE = "__Host-Http-mograder_hub"
"""Under HTTPS, and there alone: no other host can set it, nor (where a browser knows this prefix) any page's script."""

_GUEST = "guest-"

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """Who is asking (None: nobody), why nobody if so, and the cookie to set (None: none, "": end the old one).

    ``login`` is the digest of the login by which they come; "" if they come by none. ``token`` is the number of the
    bearer token, which ``expires`` (seconds since the epoch); "" without one.
    """

    identity: Identity | None
    reason: str = ""
    new_cookie: str | None = None
    login: str = ""
    token: str = ""
    expires: float = inf

    @cached_property
    def grant(self) -> Grant:
        """By what they are let in."""
        if self.identity is None:
            return NOBODY
        staff = bool(self.token) and self.identity.is_instructor
        return Grant(self.identity.user, self.login, self.token, staff, self.expires)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a request's head says is asking, read but not yet believed.

    ``asserted`` is whom a trusted proxy names, ``refusal`` why that is no name. ``cookie`` is the hub's own ("": none),
    ``login`` the digest of it.
    """

    asserted: str | None
    refusal: str
    cookie: str
    login: str


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What the gate goes by. ``trusted_proxies`` are addresses or networks; "unix" stands for unix sockets.

    ``proxy_secret`` must come in the header ``proxy_secret_header`` from an address; without one no address is
    trusted. Who came over a unix socket has shown by that who it is. ``https``: browsers always come by HTTPS.
    ``root``: the path below which the hub is, where it is not alone at its host.
    """

    secret: str = field(repr=False)
    dev: bool
    trusted_header: str
    trusted_proxies: tuple[str, ...]
    instructors: frozenset[str]
    proxy_secret: str = field(default="", repr=False)
    proxy_secret_header: str = "X-Proxy-Secret"  # noqa: S105  a name
    https: bool = False
    root: str = ""


class Gate:
    """Names the person behind a request."""

    def __init__(self, settings: GateSettings, logins: Logins, roster: Roster, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._logins = logins
        # What a hub in dev mode lets in is nobody to the hub that is started over the same course without it.
        logins.bind("dev" if settings.dev else settings.secret)
        self._roster = roster
        # The cookie holds for the whole host: hubs that share one must not take each other's away.
        self._apart = f"_{hashlib.sha256(settings.root.encode()).hexdigest()[:8]}" if settings.root else ""
        self._header = settings.trusted_header.lower().encode()
        self.secret_header = settings.proxy_secret_header.lower().encode()
        self._networks = [
            ipaddress.ip_network(proxy, strict=False) for proxy in settings.trusted_proxies if proxy != UNIX
        ]
        self._judged = lru_cache(maxsize=4096)(self._is_in_networks)

    def identify(self, headers: Headers, client: str, *, begin: bool = True) -> Answer:
        """Who sent a request with these header fields (lower-case names) from this address ("unix": a unix socket).

        Without ``begin`` nobody is logged in by this: for answers that can not set a cookie.
        """
        claim = read(self._claim, headers, client)
        asserted = claim.asserted
        if claim.refusal:
            return Answer(None, claim.refusal)  # whoever the proxy means, it is not whom the cookie remembers
        login = self._logins.known(claim.login) if claim.login else None
        if login is not None and asserted in (None, login.user):
            return self._entering(login.user, self._role(login.user), "cookie", login.digest)
        if login is not None:
            # Somebody else sits at this computer now: the old login must not outlive their coming.
            self._logins.end(claim.cookie)
        if asserted is not None:
            return self._log_in(asserted, begin, "proxy")
        return self._bearer(headers) or self._guest(begin, headers, client)

    def _claim(self, fields: Headers, client: str) -> Claim:
        asserted, refusal = self._asserted(fields, client)
        cookie = _cookie(fields, self.cookie_name(https=self.is_https(fields, client))) or ""
        return Claim(asserted, refusal, cookie, self._logins.digest(cookie) if cookie else "")

    def returning(self, user: str, login: str, headers: Headers, client: str) -> Answer:
        """Who was handed over to the content host as ``user`` by a login of this digest, if it still holds."""
        claim = read(self._claim, headers, client)
        if claim.refusal or claim.asserted not in (None, user):
            return Answer(None, claim.refusal or Sentence("somebody else has signed in since"))
        known = self._logins.known(login)
        if known is None or known.user != user:
            return Answer(None, Sentence("the login at the hub has ended"))
        return self._entering(user, self._role(user), "content", login)

    def holds(self, grant: Grant) -> bool:
        """Whether ``grant`` still lets its user be here. Of a token that another process revoked, the ledger knows."""
        if grant.expires <= time.time() or (grant.login and not self._logins.holds(grant.login, grant.user)):
            return False
        if grant.token and not self._ledger.holds(grant.token):
            return False
        role = Role.INSTRUCTOR if grant.staff else self._role(grant.user)
        return self._may_enter(grant.user, role)

    def cookie_name(self, *, https: bool) -> str:
        """What the hub's cookie is called."""
        return (SECURE_COOKIE if https else COOKIE) + self._apart

    def sign_out(self, headers: Headers, login: str) -> None:
        """End the logins that these header fields carry, and ``login``, the one that they were let in by (a digest)."""
        for https in (True, False):
            if cookie := _cookie(headers, self.cookie_name(https=https)):
                self._logins.end(cookie)
        self._logins.end_known(login)

    def is_https(self, headers: Headers, client: str) -> bool:
        """Whether the browser behind a request came by HTTPS, as far as somebody says who is believed."""
        if self._settings.https:
            return True
        told = [value for name, value in headers if name == b"x-forwarded-proto"]
        return told[-1:] == [b"https"] and self.is_trusted(client, headers)

    def is_trusted(self, client: str, headers: Headers) -> bool:
        """Whether what a request from ``client`` says about the person, the scheme and the host is believed."""
        if self._settings.dev:
            return True
        if client == UNIX:
            return UNIX in self._settings.trusted_proxies
        return self.is_proxys(client) and self._knows_secret(headers)

    def is_proxys(self, client: str) -> bool:
        """Whether an address is the login proxy's: no proof, but enough to let it have many connections."""
        return self._judged(client)

    def _is_in_networks(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped  # how a socket for both sees IPv4
        return any(address in network for network in self._networks)

    def _knows_secret(self, headers: Headers) -> bool:
        given = [value for name, value in headers if name == self.secret_header]
        expected = self._settings.proxy_secret.encode()
        return bool(expected) and len(given) == 1 and hmac.compare_digest(given[0], expected)

    def _asserted(self, fields: Headers, client: str) -> tuple[str | None, str]:
        """The name that a trusted proxy gives, or why it is refused."""
        values = [value for name, value in fields if name == self._header]
        if not values or not self.is_trusted(client, fields):
            return None, ""
        if len(values) > 1:
            return None, Sentence("the login proxy named two people at once")
        try:
            user = values[0].decode("utf-8").strip()
        except UnicodeDecodeError:
            return None, Sentence("the login proxy sent a name that is not UTF-8")
        if not user:
            return None, ""
        if not is_user_name(user):
            return None, Sentence("the login proxy sent a name that can not be used here")
        return user, ""

    def _log_in(self, user: str, begin: bool, via: str) -> Answer:
        answer = self._entering(user, self._role(user), via)
        person = answer.identity
        if person is None or not begin:
            return answer
        cookie = self._logins.begin(person.user, person.role, person.via)
        return Answer(person, new_cookie=cookie, login=self._logins.digest(cookie))

    def _role(self, user: str) -> Role:
        """The role of today: a login remembers who somebody is, not what they may."""
        teaching = user in self._settings.instructors
        if self._is_guest(user):
            teaching = "guest" in self._settings.instructors
        return Role.INSTRUCTOR if teaching else Role.STUDENT

    def _is_guest(self, user: str) -> bool:
        return self._settings.dev and user.startswith(_GUEST)

    def _bearer(self, fields: Headers) -> Answer | None:
        values = [value for name, value in fields if name == b"authorization"]
        if len(values) != 1 or values[0][:7].lower() != b"bearer ":
            return None
        try:
            person = tokens.opened(self._settings.secret, values[0][7:].decode("ascii").strip())
            self._ledger.check(person)
        except NotSignedIn as error:
            return Answer(None, error.message)
        except UnicodeDecodeError:
            return Answer(None, tokens.NOT_VALID)
        role = Role.INSTRUCTOR if person.role is Role.INSTRUCTOR else self._role(person.user)
        answer = self._entering(person.user, role, "token")
        return dataclasses.replace(answer, token=person.id, expires=person.expires)

    def _guest(self, begin: bool, fields: Headers, client: str) -> Answer:
        if not self._settings.dev:
            return Answer(None, self._stranger(fields, client))
        user = f"{_GUEST}{secrets.token_hex(3)}"
        return self._log_in(user, begin, "dev")

    def _stranger(self, fields: Headers, client: str) -> str:
        """Why nobody is signed in; to who sits where the proxy sits, what it is that is missing."""
        named = any(name == self._header and value for name, value in fields)
        if named and self.is_proxys(client) and not self._knows_secret(fields):
            return Sentence(
                "the login proxy did not send the right {header}", header=self._settings.proxy_secret_header
            )
        return Sentence("nobody is signed in")

    def _entering(self, user: str, role: Role, via: str, login: str = "") -> Answer:
        """Who comes as ``user``, if they may enter today."""
        if self._may_enter(user, role):
            return _entered(user, role, via, login)
        return Answer(None, Sentence("{user} is not on the list of this course", user=user))

    def _may_enter(self, user: str, role: Role) -> bool:
        return role is Role.INSTRUCTOR or self._is_guest(user) or self._roster.admits(user)


@lru_cache(maxsize=1024)  # made once: they are the same words for each request of a person
def _entered(user: str, role: Role, via: str, login: str) -> Answer:
    return Answer(Identity(user, role, via), login=login)


def _cookie(fields: Headers, wanted: str) -> str | None:
    """The value of the cookie of this name. Two of one name are a sign of somebody's trick: then there is none."""
    values = []
    for name, value in fields:
        if name == b"cookie":
            pairs = (pair.strip().partition("=") for pair in value.decode("latin-1").split(";"))
            values += [content for key, _, content in pairs if key == wanted]
    return values[0] if len(values) == 1 and values[0] else None
