"""Who comes to the content host: by a cookie for one path, which a hand-off from the hub has set there."""

from __future__ import annotations

from urllib.parse import parse_qs

from mograder.errors import NotSignedIn
from mograder.hub.content import ContentHost, Place
from mograder.hub.gateway.model import Headers, Refusal
from mograder.hub.identity.gate import Answer, Gate
from mograder.hub.identity.handoff import HandOffs, Pass, is_word, new_word, state_of
from mograder.hub.pages.language import gettext, of_request, speaking, tell
from mograder.hub.pages.words import problem_title
from mograder.hub.plain_page import plain_page
from mograder.sentences import Sentence

COOKIE = "mograder_content"
WORD_COOKIE = "mograder_on_the_way"
_MOST_VALUES = 8  # of one cookie name in a request: anybody's page on this host may have added some
_WORD_SECONDS = 60
_PRIVATE = ((b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))


class ContentDoor:
    """Identifies at the content host, begins hand-offs there and ends them. Knows nothing of the hub's own cookie."""

    def __init__(self, host: ContentHost, hand_offs: HandOffs, gate: Gate) -> None:
        self.host = host
        self._hand_offs = hand_offs
        self._gate = gate
        prefix = "__Secure-" if host.scheme == "https" else ""
        self._cookie, self._word = prefix + COOKIE, prefix + WORD_COOKIE

    def identify(self, place: Place, headers: Headers, client: str) -> Answer:
        """Who asks for something at ``place``. Any valid cookie will do: a foreign one beside it means nothing."""
        origin, base = self.host.origin(place.user), self.host.base(place)
        answer = Answer(None, Sentence("nobody was sent here by the hub"))
        for value in _values(headers, self._cookie):
            said = self._hand_offs.read(value)
            if said is not None and (said.origin, said.base) == (origin, base):
                answer = self._gate.returning(said.user, said.login, headers, client)
                if answer.identity is not None:
                    return answer
        return answer

    def ticket(self, place: Place, user: str, login: str, state: str) -> Refusal:
        """The hub's answer to somebody who may look at ``place``: over to the content host."""
        pass_ = Pass(user, login, self.host.origin(place.user), self.host.base(place))
        return _redirect(f"{self.host.landing(place)}?ticket={self._hand_offs.ticket(pass_, state)}")

    def begin(self, place: Place, headers: Headers) -> Refusal:
        """Send a browser without a cookie to the hub; it keeps a word that makes the ticket its own."""
        kept = [word for word in _values(headers, self._word) if is_word(word)]
        word = kept[0] if kept else new_word()
        cookie = self._set(self._word, word, place, _WORD_SECONDS)
        target = f"{self.host.hub_url}hand-off{place.base.rstrip('/')}?state={state_of(word)}"
        return _redirect(target, cookie)

    def land(self, place: Place, query: bytes, headers: Headers, client: str) -> Refusal:
        """End a hand-off: the cookie is set, and the address is clean again."""
        tickets = parse_qs(query.decode("latin-1"), max_num_fields=4).get("ticket", [])
        try:
            value = self._hand_offs.redeem(
                tickets[0] if tickets else "",
                _values(headers, self._word),
                self.host.origin(place.user),
                self.host.base(place),
            )
        except NotSignedIn as error:
            if (
                self.identify(place, headers, client).identity is not None
            ):  # two tabs at once: the other was first
                return _redirect(self.host.base(place))
            return self._lost(error, headers)
        gone = self._set(self._word, "", place, 0)
        return _redirect(self.host.base(place), self._set(self._cookie, value, place, None), gone)

    def _lost(self, error: NotSignedIn, headers: Headers) -> Refusal:
        with speaking(code := of_request(headers)):
            back = (self.host.hub_url, gettext("Back to the course"))
            page = plain_page(403, gettext(problem_title(403)), tell(error.whole), back, code)
        return Refusal(page.status, page.body, (*page.headers, *_PRIVATE[1:]))

    def _set(self, name: str, value: str, place: Place, seconds: int | None) -> bytes:
        """A cookie for ``place`` alone; without ``seconds`` it ends with the browser."""
        age = "" if seconds is None else f"; Max-Age={seconds}"
        secure = "; Secure" if self.host.scheme == "https" else ""
        return f"{name}={value}; Path={self.host.base(place)}; HttpOnly; SameSite=Lax{secure}{age}".encode()


def is_visit(method: str, headers: Headers) -> bool:
    """Whether a browser's window wants to show this; what has no window can not be sent to the hub and back."""
    fields = dict(headers)
    shown = fields.get(b"sec-fetch-dest")
    if method != "GET" or b"upgrade" in fields:
        return False
    return shown == b"document" if shown is not None else b"text/html" in fields.get(b"accept", b"")


def _redirect(location: str, *cookies: bytes) -> Refusal:
    fields = (
        (b"location", location.encode("ascii")),
        *_PRIVATE,
        *((b"set-cookie", cookie) for cookie in cookies),
    )
    return Refusal(303, b"", fields)


def _values(headers: Headers, name: str) -> list[str]:
    found = []
    for field, value in headers:
        if field == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, content = pair.strip().partition("=")
                if key == name:
                    found.append(content)
    return found[:_MOST_VALUES]
