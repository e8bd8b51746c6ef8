"""From a raw request target to the session that it names, without decoding anything that is not a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from mograder.hub.gateway.model import Kind, Refusal, Route
from mograder.hub.gateway.names import decode_name, encode_name

NOT_FOUND = Refusal(404, b"There is nothing here.")

HUBS_OWN = b"_hub/"
"""What begins like this behind a session's prefix is the hub's: the bar over the editor asks there. A page of the
session may ask there too, so nothing is offered that the notebook's own code may not do."""


@dataclass(slots=True)  # one per request: see `RequestHead`
class Place:
    """A path inside a session: the session, and the raw rest of the target behind the prefix's slash."""

    route: Route
    rest: bytes


class Router:
    """Finds session paths under ``root``. Everything it does not know belongs to the hub's own application."""

    def __init__(self, legal_name: Callable[[str], bool], root: str = "") -> None:
        self._legal = legal_name
        pattern = re.escape(root.encode()) + rb"/(edit|run)/user/([^/?#]*)/([^/?#]*)(/|(?=\?|$))([^#]*)"
        self._named = lru_cache(maxsize=4096)(self._route)
        self._session_path = re.compile(pattern, re.DOTALL)

    def find(self, target: bytes) -> Place | Refusal | None:
        """Return the place that ``target`` names, a refusal or redirect, or None if it is no session path."""
        match = self._session_path.match(target)
        if match is None:
            return None
        kind, raw_user, raw_item, slash, rest = match.groups()
        route = self._named(kind, raw_user, raw_item)
        if route is None:
            return NOT_FOUND
        if slash and encode_name(route.user) == raw_user and encode_name(route.item) == raw_item:
            return None if rest.startswith(HUBS_OWN) else Place(route, rest)
        return _canonical(route, bool(slash), rest)

    def _route(self, kind: bytes, raw_user: bytes, raw_item: bytes) -> Route | None:
        user, item = decode_name(raw_user), decode_name(raw_item)
        if user is None or item is None or not (self._legal(user) and self._legal(item)):
            return None
        return Route(cast(Kind, kind.decode()), user, item)


def _canonical(route: Route, slash: bool, rest: bytes) -> Refusal:
    """Send a page's address to its one spelling: relatively, so that a path prefix in front does not matter.

    Cookies and policies of a session are tied to its path as text; two spellings would be two sessions to a
    browser. Only the page itself can be mistyped; what a page asks for is spelt as the page is.
    """
    path, question, query = rest.partition(b"?")
    if path:
        return NOT_FOUND
    up = b"../../" if slash else b"../"
    location = up + encode_name(route.user) + b"/" + encode_name(route.item) + b"/" + question + query
    return Refusal(307, b"", ((b"location", location),))
