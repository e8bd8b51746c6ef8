"""Form tokens: what a browser changes must carry a word that only the hub's own pages know."""

from __future__ import annotations

import hmac

from fastapi import Request

from mograder.errors import Forbidden
from mograder.hub.identity.model import Identity
from mograder.sentences import Sentence

FIELD = "csrf"
HEADER = "X-CSRF-Token"

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def token(secret: str, user: str) -> str:
    """The word for the pages of ``user``, good for as long as the hub's secret is."""
    return hmac.digest(secret.encode(), b"form\0" + user.encode(), "sha256").hex()[:32]


def editor_token(secret: str, user: str, item: str) -> str:
    """The word of the bar over one editor. The notebook's code can read it: it opens that editor's routes alone."""
    return hmac.digest(secret.encode(), b"editor\0" + user.encode() + b"\0" + item.encode(), "sha256").hex()[
        :32
    ]


async def check(request: Request, who: Identity, expected: str | None = None) -> None:
    """Refuse a change that a browser asks for without the word. Raises Forbidden.

    A second lock behind ``Origin`` and ``Sec-Fetch-Site``. Programs (which send neither of the two and want no page)
    and bearer tokens (which no browser adds by itself) need no word. ``expected`` stands in for the pages' word.
    """
    if request.method in _SAFE_METHODS or who.via == "token" or not _from_a_browser(request):
        return
    given = request.headers.get(HEADER) or await _in_form(request)
    expected = expected or token(request.app.state.settings.secret, who.user)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        request.state.rule = Sentence("a form must carry the page's token")
        raise Forbidden(
            "This form is from an older page or from somewhere else, so nothing was changed.",
            tip="reload the page and try again.",
        )


def _from_a_browser(request: Request) -> bool:
    headers = request.headers
    return "sec-fetch-site" in headers or "origin" in headers or "text/html" in headers.get("accept", "")


async def _in_form(request: Request) -> str:
    if not request.headers.get("content-type", "").startswith(_FORMS):
        return ""
    value = (await request.form()).get(FIELD, "")
    return value if isinstance(value, str) else ""
