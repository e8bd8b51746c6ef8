"""Hand-offs to the content host: a ticket that works once, within seconds, in one browser; then a cookie for one path.

Both are JWTs under a key of their own, each for an audience of its own: neither is a bearer token of the hub, and
none of the hub's is one of them. Both name a login and end with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from mograder.errors import NotSignedIn

TICKET_SECONDS = 30
COOKIE_SECONDS = 12 * 3600

_ALGORITHM = "HS256"
_TICKET, _COOKIE = "mograder-hand-off", "mograder-content"
_NEEDED = ["sub", "login", "org", "base", "exp", "aud"]
_NONCE = re.compile(r"[A-Za-z0-9_-]{24,64}")
_LONGEST = 2048  # characters of a ticket or cookie: ours have some 500


@dataclass(frozen=True, slots=True)
class Pass:
    """Who (``user``, by the login of this digest) may look at what (``base``, a path) on which ``origin``."""

    user: str
    login: str
    origin: str
    base: str


class HandOffs:
    """Makes and checks tickets and cookies. For the event loop."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(secret.encode(), b"hand-off\0", "sha256")
        self._clock = clock
        self._used: dict[str, float] = {}
        self._cached = lru_cache(maxsize=4096)(self._opened_cookie)

    def ticket(self, who: Pass, state: str) -> str:
        """What the hub sends along. ``state`` is the `state_of` the word that the browser keeps."""
        claims = {"jti": secrets.token_hex(12), "state": state}
        return self._sealed(who, _TICKET, TICKET_SECONDS, claims)

    def redeem(self, ticket: str, words: list[str], origin: str, base: str) -> str:
        """The cookie's value for a ticket, once, in the browser that keeps the word that it was asked with.

        Raises:
            NotSignedIn: it is forged, late, used, for another place, or in another browser's hands.
        """
        claims = self._opened(ticket, _TICKET)
        states = [state_of(word) for word in words if is_word(word)]
        if claims is None or (claims["org"], claims["base"]) != (origin, base):
            raise NotSignedIn(
                "This way to the notebook is not valid any more.", tip="open it from the hub again."
            )
        if not any(hmac.compare_digest(state.encode(), str(claims["state"]).encode()) for state in states):
            raise NotSignedIn(
                "Your browser did not bring along the cookie that it was given.",
                tip="let it keep cookies of this site, then open the notebook from the hub again.",
            )
        self._use_up(str(claims["jti"]), float(claims["exp"]))
        return self._sealed(_pass(claims), _COOKIE, COOKIE_SECONDS, {})

    def read(self, cookie: str) -> Pass | None:
        """What a cookie says; None if it is forged, has ended or is none of these."""
        if len(cookie) > _LONGEST:
            return None
        found = self._cached(cookie)
        return found[0] if found is not None and found[1] > self._clock() else None

    def _opened_cookie(self, cookie: str) -> tuple[Pass, float] | None:
        claims = self._opened(cookie, _COOKIE)
        return None if claims is None else (_pass(claims), float(claims["exp"]))

    def _use_up(self, number: str, expires: float) -> None:
        now = self._clock()
        self._used = {jti: end for jti, end in self._used.items() if end > now}
        if number in self._used:
            raise NotSignedIn("This way to the notebook was used already.", tip="open it from the hub again.")
        self._used[number] = expires

    def _sealed(self, who: Pass, audience: str, seconds: int, more: dict[str, str]) -> str:
        now = int(self._clock())
        claims = {"sub": who.user, "login": who.login, "org": who.origin, "base": who.base}
        said = {**claims, **more, "aud": audience, "exp": now + seconds}
        return jwt.encode(said, self._key, algorithm=_ALGORITHM)

    def _opened(self, text: str, audience: str) -> dict[str, Any] | None:
        if len(text) > _LONGEST:
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                self._key,
                algorithms=[_ALGORITHM],
                audience=audience,
                options={"require": _NEEDED, "verify_exp": False},
            )
            late = float(claims["exp"]) <= self._clock()
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError):
            return None
        return None if late else claims


def new_word() -> str:
    """A word for a browser to keep while it is on its way to the hub and back."""
    return secrets.token_urlsafe(24)


def is_word(text: str) -> bool:
    """Whether ``text`` can be one of `new_word`."""
    return _NONCE.fullmatch(text) is not None


def state_of(word: str) -> str:
    """What of a word the hub gets to see: 64 hexadecimal digits."""
    return hashlib.sha256(word.encode()).hexdigest()


def _pass(claims: dict[str, Any]) -> Pass:
    return Pass(str(claims["sub"]), str(claims["login"]), str(claims["org"]), str(claims["base"]))
