"""Decides about one request head: the hub's own application, a refusal, or passage to a session."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from mograder.hub.gateway import surface
from mograder.hub.gateway.answers import https_fields, refuse
from mograder.hub.gateway.headers import security_fields, to_browser, to_session
from mograder.hub.gateway.known import Known, read
from mograder.hub.gateway.model import Activity, Door, Headers, Refusal, RequestHead, Route, Target
from mograder.hub.gateway.names import encode_path
from mograder.hub.gateway.options import Options
from mograder.hub.gateway.routing import Place, Router

_HOST = re.compile(rb"[A-Za-z0-9.\-_]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_NEVER = frozenset(("CONNECT", "TRACE"))


@dataclass(slots=True)  # one per request: see `RequestHead`
class Passage:
    """An admitted request: where it goes, and what must be known to carry the answer back."""

    head: RequestHead
    route: Route
    target: Target
    prefix: bytes
    url: bytes
    host: bytes
    origin: str
    activity: Activity
    is_save: bool
    page_end: bytes = b""


@dataclass(frozen=True, slots=True)
class Bearings:
    """Where a request comes from as its head tells, and why it is refused if that is wrong. ``name``: the host."""

    host: bytes
    name: str
    scheme: str
    origin: str
    refusal: Refusal | None


class Admission:
    """Applies the rules that hold for every session, and asks the hub's door about this one."""

    def __init__(self, door: Door, options: Options) -> None:
        self.door = door
        self.options = options
        self.router = Router(options.legal_name, options.root)
        # Refuses a bad list at start instead of at the first notebook.
        security_fields("http://x", "/", options.assets_path, options.extra_sources, options.shared_origin)

    def decide(self, place: Place | Refusal, head: RequestHead) -> Passage | Refusal:
        """Return passage to the session at ``place``, or why not."""
        seen = read(self._bearings, head.headers, head.method, head.client, head.scheme, head.is_websocket)
        if isinstance(place, Refusal):
            return _under(seen.scheme, place)
        if seen.refusal is not None:
            return self._refused(seen.refusal, place.route, head, seen.scheme)
        head.scheme, head.host = seen.scheme, seen.name  # in place: a copy is a twentieth of a request
        target = self.door.admit(place.route, head)
        if isinstance(target, Refusal):
            return _under(seen.scheme, target)
        passage = self._on_the_surface(place, target, head, seen)
        if isinstance(passage, Refusal):
            return self._refused(passage, place.route, head, seen.scheme)
        return passage

    def _bearings(
        self, headers: Headers, method: str, client: str, scheme: str, is_websocket: bool
    ) -> Bearings:
        head = RequestHead(method, b"", headers, client, scheme, is_websocket)
        host, scheme, from_proxy = self._seen_as(head)
        refusal = self._host_refused(host, from_proxy)
        if refusal is not None:
            return Bearings(host, "", scheme, "", refusal)
        name = host.decode("ascii")
        origin = f"{scheme}://{name}"
        refusal = _method_refused(head) or _foreign(head, origin) or self._service_worker(head)
        return Bearings(host, name, scheme, origin, refusal)

    def _host_refused(self, host: bytes, from_proxy: bool) -> Refusal | None:
        if not _HOST.fullmatch(host):
            return refuse(400, "The Host header makes no sense.")
        if not self.options.known_host(host.decode("ascii"), from_proxy):
            return refuse(421, "The hub does not answer to this host name.")
        return None

    def _service_worker(self, head: RequestHead) -> Refusal | None:
        """On an origin that is shared none may start: the pages that it makes up have no policy (see `csp`)."""
        asked = head.header(b"service-worker") or head.header(b"sec-fetch-dest") == b"serviceworker"
        return (
            refuse(403, "Notebooks have no service workers here.")
            if asked and self.options.shared_origin
            else None
        )

    def _refused(self, refusal: Refusal, route: Route, head: RequestHead, scheme: str) -> Refusal:
        """Let the hub take note of a refusal that it was not asked about."""
        self.door.refused(route, head, refusal)
        return _under(scheme, refusal)

    def _on_the_surface(
        self, place: Place, target: Target, head: RequestHead, seen: Bearings
    ) -> Passage | Refusal:
        path, _, query = place.rest.partition(b"?")
        if not surface.may_pass(
            head.method, path, websocket=head.is_websocket, file_browser=self.options.file_browser
        ):
            return _closed("This part of marimo is closed on the hub.")
        if not surface.names_only(query, target.notebook):
            return _closed(f"This session is for {target.notebook.rpartition('/')[2]} alone.")
        prefix = encode_path(target.prefix)
        return Passage(
            head,
            place.route,
            target,
            prefix,
            prefix + place.rest,
            seen.host,
            seen.origin,
            _meaning(head.method, path),
            head.method == "POST" and path == surface.SAVE,
            target.page_end if head.method == "GET" and not path else b"",
        )

    def unreachable(self, passage: Passage) -> Refusal:
        """Tell the hub that a session does not answer, and return what the browser is told."""
        self.door.upstream_lost(passage.target.session_id)
        again = self.door.admit(passage.route, passage.head)
        return again if isinstance(again, Refusal) else refuse(502, "The session does not answer.")

    def request_fields(self, passage: Passage) -> Headers:
        """Return the fields that the session sees, without framing."""
        head = passage.head
        fields = read(self._to_session, head.headers, passage.host, head.scheme, passage.prefix)
        if passage.url.startswith(b"public/", len(passage.prefix)):
            # marimo wants to hear whose files these are, by a service worker of its own, which may not start here.
            fields = [pair for pair in fields if pair[0] != b"x-notebook-id"]
            fields.append((b"x-notebook-id", quote(passage.target.notebook, safe="~()*!.'").encode("ascii")))
        return fields

    def _to_session(self, headers: Headers, host: bytes, scheme: str, prefix: bytes) -> Headers:
        names = self.options.cookie_names
        crossing = to_session(
            headers, host=host, scheme=scheme.encode("ascii"), prefix=prefix, cookie_names=names
        )
        return Known(crossing) if type(headers) is Known else crossing

    def answer_fields(self, passage: Passage, headers: Headers) -> Headers:
        """Return the fields that the browser sees, without framing.

        Raises:
            Malformed: the answer must not reach the browser.
        """
        if type(headers) is Known:  # none of them is a redirect: those depend on the whole URL
            return read(self._to_browser, headers, passage.origin, passage.prefix)
        return self._to_browser(headers, passage.origin, passage.prefix, passage.url)

    def _to_browser(self, headers: Headers, origin: str, prefix: bytes, url: bytes = b"/") -> Headers:
        options = self.options
        security = security_fields(
            origin, prefix.decode("ascii"), options.assets_path, options.extra_sources, options.shared_origin
        )
        crossing = to_browser(
            headers,
            url=origin + url.decode("latin-1"),
            prefix=prefix,
            cookie_names=options.cookie_names,
            security=security,
        )
        return Known(crossing) if type(headers) is Known else crossing

    def _seen_as(self, head: RequestHead) -> tuple[bytes, str, bool]:
        """Return host and scheme as the browser sees them, and whether the proxy says so."""
        if self.options.public_origin is not None:
            scheme, _, host = self.options.public_origin.partition("://")
            return host.encode(), scheme, True
        named, scheme = head.header(b"host"), head.scheme
        from_proxy = self.options.trusted_proxy(head.client, head.headers)
        if from_proxy:
            named = _last(head.header(b"x-forwarded-host")) or named
            forwarded = _last(head.header(b"x-forwarded-proto")).lower()
            scheme = forwarded.decode() if forwarded in {b"http", b"https"} else scheme
        # HTTP/1.0 names no host.
        return (b"localhost" if named is None else named.lower()), scheme, from_proxy


def _under(scheme: str, refusal: Refusal) -> Refusal:
    more = https_fields(scheme)
    return Refusal(refusal.status, refusal.body, (*refusal.headers, *more)) if more else refusal


def _last(value: bytes | None) -> bytes:
    """Return the last element of a list header: the one that the nearest proxy wrote."""
    return (value or b"").rpartition(b",")[2].strip()


def _method_refused(head: RequestHead) -> Refusal | None:
    return refuse(405) if head.method in _NEVER else None


def _foreign(head: RequestHead, origin: str) -> Refusal | None:
    """Refuse what another site made a browser ask.

    Scripts of other sites can not forge Origin or Sec-Fetch-Site, nor add an Authorization header. A page on https
    may sit before us even if we were not told about its proxy, hence both schemes when ours is http.
    """
    site = head.header(b"sec-fetch-site")
    if site is not None and site not in (b"same-origin", b"none") and not _is_visit(head):
        return refuse(403, "This can only be asked for by the notebook's own page.")
    if not head.is_websocket and (head.method in _READING or _bearer(head)):
        return None
    claimed = (head.header(b"origin") or b"").decode("latin-1").lower()
    if claimed == origin or (origin.startswith("http:") and claimed == "https:" + origin[5:]):
        return None
    return refuse(403, f"The Origin of this request is not {origin}.")


def _is_visit(head: RequestHead) -> bool:
    """Tell whether a browser's window goes to this address: a link from elsewhere may lead here."""
    return (
        head.method == "GET"
        and not head.is_websocket
        and head.header(b"sec-fetch-mode") == b"navigate"
        and head.header(b"sec-fetch-dest") == b"document"
    )


def _bearer(head: RequestHead) -> bool:
    return (head.header(b"authorization") or b"")[:7].lower() == b"bearer "


def _closed(why: str) -> Refusal:
    body = json.dumps({"detail": why}).encode()
    return Refusal(403, body, ((b"content-type", b"application/json"),))


def _meaning(method: str, path: bytes) -> Activity:
    """Tell a person's doing from a page's: marimo polls by GET, and reads its files by GET."""
    if method not in _READING:
        return "input"
    return "page" if method == "GET" and not path else "heartbeat"
