"""The one place that decides which header fields cross, in each direction. Pure functions over byte pairs.

Both directions are allow-lists. A sign-on proxy may name a person in any header (``Eppn``, ``X-Auth-Request-Email``,
``OIDC_CLAIM_sub``), and a hostile session may answer with any header that browsers obey; neither list of dangerous
names could ever be complete, the lists of needed ones can.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, urljoin, urlsplit

from mograder.errors import Malformed
from mograder.hub.gateway.answers import https_fields
from mograder.hub.gateway.csp import session_policy
from mograder.hub.gateway.model import Headers

Pairs = list[tuple[bytes, bytes]]

_TO_SESSION = frozenset(
    b"""accept accept-charset accept-encoding accept-language cache-control content-encoding content-language
    content-type date dnt if-match if-modified-since if-none-match if-range if-unmodified-since last-event-id origin
    pragma priority range referer save-data upgrade-insecure-requests user-agent x-notebook-id
    x-requested-with""".split()
)
_TO_SESSION_PREFIX = (b"marimo-", b"x-marimo-", b"sec-")
_TO_BROWSER = frozenset(
    b"""accept-ranges age cache-control content-disposition content-encoding content-language content-range
    content-security-policy content-type etag expires last-modified location pragma retry-after
    sec-websocket-accept sec-websocket-extensions sec-websocket-protocol set-cookie vary""".split()
)
_TO_BROWSER_PREFIX = (b"marimo-", b"x-marimo-")
_SHARED_CACHE = (b"public", b"s-maxage", b"proxy-revalidate")
_NOT_SHARED = (b"cache-control", b"private, no-cache")  # where a session does not say
_COOKIE_VALUE = re.compile(rb"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e\"]{0,4096}")  # RFC 6265, 4.1.1
_COOKIE_AGE = re.compile(rb"(?i)(max-age=-?\d{1,12}|expires=[\w ,:+-]{1,64})")
_PRINTABLE = re.compile(rb"[\x21-\x5b\x5d-\x7e]+")  # no backslash: browsers read it as a slash


def reaches_session(name: bytes) -> bool:
    """Tell whether a request field of this name (lower case) is passed on to sessions; cookies are sifted."""
    return name in _TO_SESSION or (name.startswith(_TO_SESSION_PREFIX) and b"_" not in name)


def to_session(
    headers: Headers, *, host: bytes, scheme: bytes, prefix: bytes, cookie_names: re.Pattern[bytes]
) -> Pairs:
    """Return the fields of a browser's request that its session may see, without framing.

    Added are ``host`` and what marimo needs to spell its own URLs. The browser's address is not passed on: whoever
    looks at a notebook does not owe its author that.
    """
    named = _connection_named(headers)
    out: Pairs = [(b"host", host)]
    for pair in headers:
        name = pair[0]
        if reaches_session(name):
            if named is None or name not in named:
                out.append(pair)
        elif name == b"cookie":
            kept = _cookies(pair[1], cookie_names)
            if kept:
                out.append((name, kept))
    out += (
        (b"x-forwarded-proto", scheme),
        (b"x-forwarded-host", host),
        (b"x-forwarded-prefix", prefix[:-1]),
    )
    return out


def to_browser(
    headers: Headers,
    *,
    url: str,
    prefix: bytes,
    cookie_names: re.Pattern[bytes],
    security: tuple[tuple[bytes, bytes], ...],
) -> Pairs:
    """Return the fields of a session's answer that a browser may see, without framing, with ``security`` added.

    ``url`` is the absolute URL that was asked for, ``prefix`` the session's path, percent-encoded.

    Raises:
        Malformed: the session redirects to somewhere outside its prefix, or spells a redirect ambiguously.
    """
    named = _connection_named(headers)
    out: Pairs = []
    kept_how = False
    for name, value in headers:
        if name not in _TO_BROWSER and (not name.startswith(_TO_BROWSER_PREFIX) or b"_" in name):
            continue
        if named is not None and name in named:
            continue
        if name == b"set-cookie":
            confined = confine_cookie(value, prefix, cookie_names, secure=url.startswith("https:"))
            if confined is None:
                continue
            value = confined
        elif name == b"location":
            value = confine_location(value, url, prefix)
        elif name == b"cache-control":
            value = _private(value)
            kept_how = True
        out.append((name, value))
    if not kept_how:
        out.append(_NOT_SHARED)
    out += security
    return out


def _connection_named(headers: Headers) -> set[bytes] | None:
    """Return what ``Connection`` fields declare to be hop-by-hop beyond the usual words (RFC 9110, 7.6.1)."""
    named: set[bytes] | None = None
    for name, value in headers:
        if name == b"connection":
            words = {word.strip() for word in value.lower().split(b",")}
            words -= {b"", b"close", b"keep-alive", b"upgrade"}
            if words:
                named = words | (named or set())
    return named


def _cookies(value: bytes, names: re.Pattern[bytes]) -> bytes:
    kept = []
    for part in value.split(b";"):
        name, equals, _ = part.strip().partition(b"=")
        if equals and names.fullmatch(name):
            kept.append(part.strip())
    return b"; ".join(kept)


def confine_cookie(value: bytes, prefix: bytes, names: re.Pattern[bytes], *, secure: bool) -> bytes | None:
    """Return a session's ``Set-Cookie`` bound to ``prefix`` and this host; None if the cookie may not be set."""
    first, *attributes = value.split(b";")
    name, equals, content = first.strip().partition(b"=")
    if not equals or not names.fullmatch(name) or not _COOKIE_VALUE.fullmatch(content):
        return None
    kept = [a.strip() for a in attributes if _COOKIE_AGE.fullmatch(a.strip())]
    kept += [b"Path=" + prefix, b"HttpOnly", b"SameSite=Lax"]
    if secure:
        kept.append(b"Secure")
    return b"; ".join([name + b"=" + content, *kept])


def confine_location(value: bytes, url: str, prefix: bytes) -> bytes:
    """Return a session's redirect as a path, if a browser that followed it would stay inside ``prefix``.

    Raises:
        Malformed: it would leave, or browsers could disagree about where it leads.
    """
    if not _PRINTABLE.fullmatch(value):
        raise Malformed("The session's redirect holds characters that have no place in a URL.")
    try:
        asked, lands = urlsplit(url), urlsplit(urljoin(url, value.decode("ascii")))
    except ValueError as error:
        raise Malformed("The session's redirect is no URL.") from error
    same_origin = (lands.scheme, lands.netloc.lower()) == (asked.scheme, asked.netloc.lower())
    segments = [unquote(segment) for segment in lands.path.split("/")]
    ambiguous = any(s in {".", ".."} or "/" in s or "\\" in s for s in segments)
    if not same_origin or ambiguous or not unquote(lands.path).startswith(unquote(prefix.decode("ascii"))):
        raise Malformed(f"The session redirects out of its own path {prefix.decode('ascii')}.")
    return lands._replace(scheme="", netloc="").geturl().encode("ascii")


def _private(value: bytes) -> bytes:
    """Take back the leave to keep an answer in a shared cache: what a session says is for its viewer alone."""
    words = [word.strip() for word in value.split(b",")]
    kept = [word for word in words if word and not word.lower().startswith(_SHARED_CACHE)]
    if {b"private", b"no-store"} & {word.lower() for word in kept}:
        return b", ".join(kept)
    return b", ".join([b"private", *kept])


@lru_cache(maxsize=1024)
def security_fields(
    origin: str, prefix: str, assets: str, extra: tuple[str, ...], shared_origin: bool
) -> tuple[tuple[bytes, bytes], ...]:
    """Return the security fields of every answer of the session at ``prefix``.

    On an origin of its owner's own (``shared_origin`` false) a session needs no confinement, but nobody else's page
    may frame it or hold its window. A session's own policy stays beside ours: browsers enforce both.
    """
    always = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        *https_fields(origin.partition(":")[0]),
    )
    if not shared_origin:
        return (
            *always,
            (b"cross-origin-opener-policy", b"same-origin-allow-popups"),
            (b"content-security-policy", b"frame-ancestors 'self'"),
        )
    policy = session_policy(origin, prefix, assets, extra).encode("ascii")
    return (
        *always,
        (b"cross-origin-opener-policy", b"noopener-allow-popups"),
        (b"content-security-policy", policy),
    )
