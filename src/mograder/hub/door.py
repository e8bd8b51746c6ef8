"""Who passes the gateway to which session: identity, policy and registry in one in-memory decision."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from urllib.parse import quote

from mograder.hub.audit import REFUSED, AuditLog, Entry
from mograder.hub.content import Place
from mograder.hub.content_door import ContentDoor, is_visit
from mograder.hub.gateway.model import Activity, Grant, Refusal, RequestHead, Route, Save, Target
from mograder.hub.identity.gate import Answer, Gate
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action, allowed
from mograder.hub.limits import Limits, Overrun, address_of
from mograder.hub.pages.language import gettext, of_request, speaking, tell
from mograder.hub.pages.words import problem_title
from mograder.hub.plain_page import plain_page
from mograder.hub.sign_in import way_to_login
from mograder.sentences import Sentence
from mograder.sessions.manager import Sessions
from mograder.sessions.model import Session, SessionKey, State


class HubDoor:
    """Implements `mograder.hub.gateway.model.Door`."""

    def __init__(
        self,
        gate: Gate,
        sessions: Sessions,
        limits: Limits,
        audit: AuditLog,
        *,
        content: ContentDoor | None = None,
        login_url: str = "",
        root: str = "",
        page_end: Callable[[SessionKey, str], bytes] = lambda key, language: b"",
        on_saved: Callable[[SessionKey], None] = lambda key: None,
    ) -> None:
        self._content = content
        self._login_url = login_url
        self._root = root
        self._page_end = page_end
        self._on_saved = on_saved
        self._gate = gate
        self._sessions = sessions
        self._limits = limits
        self._audit = audit
        self._lost: dict[str, asyncio.Task[None]] = {}

    def admit(self, route: Route, head: RequestHead) -> Target | Refusal:
        """The session that a request goes to, or the hub's own answer."""
        answer = self._identify(route, head)
        if isinstance(answer, Refusal):
            return answer
        apart = self._content is not None and self._content.host.is_another_name
        identity = answer.identity
        decision = allowed(identity, Action.USE_SESSION, route.user, apart=apart)
        if identity is None:
            return self._stranger(answer.reason, route, head)
        if not decision.allowed:
            self._note(identity, decision.reason, 403, route, head)
            return _refusal(
                403,
                Sentence("This notebook belongs to {user}: {rule}.", user=route.user, rule=decision.reason),
                head,
            )
        if overrun := self._limits.session_request(
            identity, self._open(route) if head.is_websocket else None
        ):
            return self._too_much(identity, overrun, route, head)
        session = self._sessions.get(SessionKey(route.kind, route.user, route.item))
        if session is None or session.state is not State.READY:
            return self._not_running(identity, route, head)
        if session.id in self._lost:
            return self._no_answer(identity, route, head)
        if head.is_websocket:
            self._note(identity, decision.reason, 101, route, head)
        return self._target(session, head, answer.grant)

    def _identify(self, route: Route, head: RequestHead) -> Answer | Refusal:
        if self._content is None:
            return self._gate.identify(head.headers, head.client, begin=False)
        host = self._content.host
        if host.serves(head.host, route.user):
            return self._content.identify(_place(route), head.headers, head.client)
        if host.claims(head.host) or not is_visit(head.method, head.headers):
            return _refusal(404, Sentence("This notebook is not served under this address."), head)
        location = host.origin(route.user).encode() + head.target
        return Refusal(303, b"", ((b"location", location), (b"cache-control", b"no-store")))

    def _not_running(self, who: Identity, route: Route, head: RequestHead) -> Refusal:
        """Its owner is led to the page that starts it; somebody else would start a notebook of their own there."""
        if who.user == route.user and _wants_page(head):
            start = self._start_page(route, head).encode()
            return Refusal(303, b"", ((b"location", start), (b"cache-control", b"no-store")))
        return _refusal(503, Sentence("The notebook {item} is not running.", item=route.item), head)

    def _no_answer(self, who: Identity, route: Route, head: RequestHead) -> Refusal:
        """It is being looked after: to lead anybody to the start page now would lead them back here."""
        code = of_request(head.headers)
        with speaking(code):
            title = gettext("{item} does not answer").format(item=route.item)
            said = gettext("The notebook stopped, or is stuck. What was saved is safe.")
            again = gettext("Open it again")
        if not _wants_page(head):
            return _refusal(503, Sentence("The notebook {item} does not answer.", item=route.item), head)
        link = (self._start_page(route, head), again) if who.user == route.user else None
        return plain_page(503, title, said, link, code)

    def _start_page(self, route: Route, head: RequestHead) -> str:
        if self._content is not None:
            return f"{self._content.host.hub_url}{route.kind}/{quote(route.item)}"
        depth = head.target.split(b"?")[0].count(b"/") - 2 - self._root.count("/")
        return "../" * depth + quote(route.item)

    def _target(self, session: Session, head: RequestHead, grant: Grant) -> Target:
        page_end = b""
        if head.method == "GET" and head.target.partition(b"?")[0].endswith(b"/"):
            page_end = self._page_end(session.key, of_request(head.headers))
        return Target(
            str(session.socket), f"{self._root}/{session.url}", session.id, session.notebook, page_end, grant
        )

    def _stranger(self, reason: str, route: Route, head: RequestHead) -> Refusal:
        address = self._address(head)
        if overrun := self._limits.stranger(address):
            return self._too_much(None, overrun, route, head)
        if self._content is not None and is_visit(head.method, head.headers):
            return self._content.begin(_place(route), head.headers)
        self._limits.failed(address)
        self._note(None, reason, 401, route, head)
        sign_in = way_to_login(self._login_url, head.target.decode("latin-1"))
        return _refusal(401, Sentence("Please sign in first."), head, sign_in)

    def _too_much(self, who: Identity | None, overrun: Overrun, route: Route, head: RequestHead) -> Refusal:
        self._note(who, overrun.reason, 429, route, head)
        refusal = _refusal(429, Sentence("Too much at once: {reason}.", reason=overrun.reason), head)
        wait = (b"retry-after", str(overrun.retry_after).encode())
        return Refusal(refusal.status, refusal.body, (*refusal.headers, wait))

    def _note(self, who: Identity | None, rule: str, status: int, route: Route, head: RequestHead) -> None:
        path = head.target.partition(b"?")[0].decode("latin-1")
        action = Action.USE_SESSION.value
        entry = Entry(
            who, self._address(head), head.method, path, status, rule, action, route.user, route.item
        )
        self._audit.note(entry)

    def _address(self, head: RequestHead) -> str:
        return address_of(head.headers, head.client, self._gate.is_trusted(head.client, head.headers))

    def _open(self, route: Route) -> int:
        return sum(session.open_sockets for session in self._sessions.of(route.user))

    def refused(self, route: Route, head: RequestHead, refusal: Refusal) -> None:
        """What the gateway refuses by itself is in the audit log, too."""
        if refusal.status in REFUSED:
            answer = self._identify(route, head) if refusal.status == 403 else None
            who = answer.identity if isinstance(answer, Answer) else None
            self._note(who, _words(refusal), refusal.status, route, head)

    def activity(self, session_id: str, kind: Activity) -> None:
        """A person came or typed, or a cell says something: that keeps a session; a heartbeat does not."""
        if kind in ("page", "input", "output"):
            self._sessions.active(session_id)
        session = self._sessions.by_id(session_id)
        if session is not None and kind in ("page", "opened"):
            session.loading = kind == "page"
        if session is not None and kind in ("opened", "closed"):
            session.open_sockets += 1 if kind == "opened" else -1

    def save(self, session_id: str, stage: Save) -> None:
        """How far a save is. When the notebook's file is new, somebody is at work."""
        session = self._sessions.by_id(session_id)
        if session is None:
            return
        session.saving = stage
        if stage == "done":
            self._sessions.active(session_id)
            session.saved = session.last_seen
            self._on_saved(session.key)

    def upstream_lost(self, session_id: str) -> None:
        """Look after a session that does not answer."""
        if session_id not in self._lost:
            task = asyncio.get_running_loop().create_task(self._sessions.lost(session_id))
            self._lost[session_id] = task
            task.add_done_callback(lambda _: self._lost.pop(session_id, None))


def _place(route: Route) -> Place:
    return Place(route.kind, route.user, route.item)


def _wants_page(head: RequestHead) -> bool:
    """Whether a person asks: marimo's page polls ``/health`` and must not follow a redirect."""
    return b"text/html" in (head.header(b"accept") or b"") and head.method == "GET" and not head.is_websocket


def _refusal(status: int, detail: str, head: RequestHead, sign_in: str = "") -> Refusal:
    """A person gets a page, a program gets JSON."""
    code = of_request(head.headers)
    with speaking(code):
        said = tell(detail)
    if _wants_page(head):
        with speaking(code):
            link = (sign_in, gettext("Sign in")) if sign_in else None
            return plain_page(status, gettext(problem_title(status)), said, link, code)
    body = json.dumps({"detail": said}).encode()
    return Refusal(status, body, ((b"content-type", b"application/json"), (b"cache-control", b"no-store")))


def _words(refusal: Refusal) -> str:
    said = refusal.body.decode()
    return str(json.loads(said)["detail"]) if said.startswith("{") else said
