"""Bearer tokens: signed, dated, numbered, for this hub alone (JWT, HS256)."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

import jwt

from mograder.course import is_user_name
from mograder.errors import MograderError, NotSignedIn
from mograder.hub.identity.model import Identity, Role
from mograder.sentences import Sentence

AUDIENCE = "mograder-hub"
DEFAULT_LIFETIME = 90 * 86400
"""Seconds that a token is good for unless told otherwise."""

MIN_SECRET_LENGTH = 32
"""Characters: RFC 7518 section 3.2 wants a key as long as the hash, 32 bytes, for HS256."""

MAX_LENGTH = 4096
"""Characters of a token: ours have some 250."""

_ALGORITHM = "HS256"
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_NEEDED = ["sub", "role", "exp", "iat", "jti", "aud"]


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. Times are seconds since the epoch."""

    id: str
    user: str
    role: Role
    created: float
    expires: float


def check_secret(secret: str) -> str:
    """``secret`` if it is long enough. Raises MograderError that says how to make one."""
    if len(secret.encode()) < MIN_SECRET_LENGTH:
        what = "is not set" if not secret else f"is shorter than {MIN_SECRET_LENGTH} characters"
        raise MograderError(
            f"MOGRADER_HUB_SECRET {what}.",
            tip="export MOGRADER_HUB_SECRET=\"$(python3 -c 'import secrets; print(secrets.token_hex(32))')\"",
        )
    return secret


def make(secret: str, user: str, role: Role, lifetime: float = DEFAULT_LIFETIME) -> str:
    """A token for ``user``, good for ``lifetime`` seconds from now."""
    now = int(time.time())
    claims = {
        "sub": user,
        "role": role.value,
        "iat": now,
        "exp": now + int(lifetime),
        "jti": secrets.token_hex(8),
        "aud": AUDIENCE,
    }
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


NOT_VALID = Sentence("This token is not valid here.")


def read(secret: str, token: str) -> Identity:
    """Whom ``token`` names. Raises NotSignedIn if it is forged, expired, or for something else."""
    said = opened(secret, token)
    return Identity(said.user, said.role, "token")


def opened(secret: str, token: str) -> Token:
    """All that ``token`` says. Raises NotSignedIn as `read` does."""
    if len(token) > MAX_LENGTH:
        raise NotSignedIn(NOT_VALID, tip="mograder hub generate-token")
    try:
        claims = jwt.decode(
            token, secret, algorithms=[_ALGORITHM], audience=AUDIENCE, options={"require": _NEEDED}
        )
        user, role, number = str(claims["sub"]), Role(claims["role"]), str(claims["jti"])
    except jwt.ExpiredSignatureError:
        raise NotSignedIn("This token has expired.", tip="mograder hub generate-token") from None
    except (
        jwt.InvalidTokenError,
        ValueError,
        RecursionError,
    ) as error:  # its header is JSON of anybody's making
        raise NotSignedIn(NOT_VALID, tip="mograder hub generate-token") from error
    if not is_user_name(user):
        raise NotSignedIn("This token names nobody who can exist here.")
    if not _ID.fullmatch(number):
        raise NotSignedIn(NOT_VALID, tip="mograder hub generate-token")
    return Token(number, user, role, float(claims["iat"]), float(claims["exp"]))
