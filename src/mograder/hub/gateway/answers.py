"""The gateway's own answers, with the security headers that every answer of the hub carries."""

from __future__ import annotations

from http import HTTPStatus

from mograder.hub.gateway.model import Refusal

HUB_SECURITY: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"content-type", b"text/plain; charset=utf-8"),
)
_FOR_GOOD = (b"strict-transport-security", b"max-age=31536000")
_BODILESS = frozenset((204, 304))


def phrase(status: int) -> bytes:
    """Return the standard reason phrase of ``status``; empty for one that is not registered."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def refuse(status: int, text: str = "") -> Refusal:
    """Return a plain-text refusal that says ``text``, or the status's own phrase."""
    return Refusal(status, text.encode() or phrase(status))


def https_fields(scheme: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return what an answer adds under ``scheme``: under HTTPS, that it is for good."""
    return (_FOR_GOOD,) if scheme == "https" else ()


def fields(refusal: Refusal, scheme: str = "http") -> list[tuple[bytes, bytes]]:
    """Return the complete header fields of a refusal under ``scheme``, framing included."""
    own = {name for name, _ in refusal.headers}
    ours = (*HUB_SECURITY, *https_fields(scheme))
    result = [*refusal.headers, *(pair for pair in ours if pair[0] not in own)]
    if refusal.status not in _BODILESS:
        result.append((b"content-length", b"%d" % len(refusal.body)))
    return result


def raw(refusal: Refusal, scheme: str, *, close: bool, head_only: bool = False) -> bytes:
    """Return a refusal under ``scheme``, as far as that is known, as the bytes of an HTTP/1.1 answer."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (refusal.status, phrase(refusal.status))]
    lines += [b"%b: %b\r\n" % pair for pair in fields(refusal, scheme)]
    lines.append(b"connection: close\r\n\r\n" if close else b"\r\n")
    if not head_only and refusal.status not in _BODILESS:
        lines.append(refusal.body)
    return b"".join(lines)
