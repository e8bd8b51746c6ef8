"""The content host on the side of the hub's application: the end of a hand-off, a report, the bar over an editor.

Everything else of the hub's does not exist there, and whoever comes has no identity but that of the content cookie.
"""

from __future__ import annotations

from mograder.hub.content import HAND_OFF, Place, place_at
from mograder.hub.content_door import ContentDoor, is_visit
from mograder.hub.gateway import answers
from mograder.hub.gateway.model import Refusal
from mograder.hub.gateway.routing import HUBS_OWN
from mograder.hub.identity.gate import Answer, Gate
from mograder.hub.limits import address_of
from mograder.hub.middleware import App, Receive, Scope, Send, refuse
from mograder.sentences import Sentence


class ContentVisitors:
    """Decides who comes to the content host, and to what: `ContentSite` and the limits before it go by that."""

    def __init__(self, app: App, door: ContentDoor | None, gate: Gate) -> None:
        self._app = app
        self._door = door
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._door
        if door is not None and scope["type"] == "http" and door.host.claims(_host(scope)):
            self._identify(door, scope)
        await self._app(scope, receive, send)

    def _identify(self, door: ContentDoor, scope: Scope) -> None:
        client, headers = (scope.get("client") or ("", 0))[0], scope["headers"]
        answer = Answer(None, "nobody was sent here by the hub")
        found = place_at(scope["path"])
        if found is not None:
            place, _ = found
            answer = door.identify(place, headers, client)
            scope["path_params"] = {"user": place.user, "item": place.item}  # for the audit log
        state = scope.setdefault("state", {})
        state["identity"], state["refusal"] = answer.identity, answer.reason
        state["grant"] = answer.grant
        state["address"] = address_of(headers, client, self._gate.is_trusted(client, headers))
        state["at_content_host"] = True


class ContentSite:
    """Answers what the content host has besides reports and the bar: the ends of hand-offs, and nothing else."""

    def __init__(self, app: App, door: ContentDoor | None) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._door
        if door is None or scope["type"] != "http" or not scope["state"].get("at_content_host"):
            await self._app(scope, receive, send)
            return
        found = place_at(scope["path"])
        if found is None or not _is_here(*found) or not door.host.serves(_host(scope), found[0].user):
            await refuse(send, 404, Sentence("There is nothing here: the hub itself has another address."))
            return
        (place, rest), headers = found, scope["headers"]
        if rest == HAND_OFF:
            await self._land(door, place, scope, send)
        elif scope["state"]["identity"] is None and is_visit(scope["method"], headers):
            await _send(send, door.begin(place, headers))
        else:
            await self._app(scope, receive, send)

    async def _land(self, door: ContentDoor, place: Place, scope: Scope, send: Send) -> None:
        client = (scope.get("client") or ("", 0))[0]
        answer = door.land(place, scope["query_string"], scope["headers"], client)
        if answer.status == 403:
            scope["state"].update(rule=Sentence("a ticket works once, soon, in one browser"), failed=True)
        await _send(send, answer)


def _is_here(place: Place, rest: str) -> bool:
    """Whether the application has something at ``rest``: a session's own paths never come as far as here."""
    if place.kind == "validate-report":
        return rest in ("", HAND_OFF)
    return rest.startswith(HUBS_OWN.decode())


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")


async def _send(send: Send, answer: Refusal) -> None:
    fields = answers.fields(answer)
    await send({"type": "http.response.start", "status": answer.status, "headers": fields})
    await send({"type": "http.response.body", "body": answer.body})
