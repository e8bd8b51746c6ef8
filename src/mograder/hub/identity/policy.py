"""Who may do what: one function, and nothing about requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mograder.hub.identity.model import Identity
from mograder.sentences import Sentence


class Action(StrEnum):
    """Everything that a route may let happen."""

    PUBLIC = "public"  # answers that tell nobody anything: health, static files
    USE_HUB = "use the hub"  # pages and lists about oneself and what is published
    VIEW_WORK = "view work"  # somebody's notebook, its state, its report, its history
    CHANGE_WORK = "change work"  # replace, reset, upload, restore
    CONTROL_SESSION = "control a session"  # start and stop
    USE_SESSION = "use a session"  # type into it, run code in it
    PUBLISH = "publish"  # put items up, prepare environments
    MANAGE_USERS = "manage users"
    MANAGE_TOKENS = "manage tokens"  # see who has one, end it
    TEACH = "see and steer the whole course"  # the instructors' pages


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not, and the rule that says so."""

    allowed: bool
    reason: str


_THEIR_OWN = Decision(True, Sentence("it is their own"))
_TEACHING = {Action.PUBLISH, Action.MANAGE_USERS, Action.MANAGE_TOKENS, Action.TEACH}
_OWNERS_ALONE = {Action.USE_SESSION}


def allowed(
    identity: Identity | None, action: Action, owner: str | None = None, *, apart: bool = False
) -> Decision:
    """Whether ``identity`` (None: nobody) may do ``action`` to what belongs to ``owner`` (None: to nobody).

    ``apart``: live notebooks have a host name of their own, so that their pages have no rights at the hub.
    """
    if action is Action.PUBLIC:
        return Decision(True, Sentence("anybody may"))
    if identity is None:
        return Decision(False, Sentence("nobody is signed in"))
    if action in _TEACHING:
        return _instructors(identity, action)
    if owner is None or action is Action.USE_HUB:
        return Decision(True, Sentence("everybody who is signed in may"))
    if identity.user == owner:
        return _THEIR_OWN
    if action in _OWNERS_ALONE and not apart:
        # On one host, a notebook's page acts with the rights of whoever looks at it.
        return Decision(False, Sentence("a live notebook is open to its owner alone"))
    return _instructors(identity, action)


def _instructors(identity: Identity, action: Action) -> Decision:
    if identity.is_instructor:
        return Decision(True, Sentence("instructors may"))
    return Decision(False, Sentence("only instructors may {action}", action=Sentence(action.value)))
