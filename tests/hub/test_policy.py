"""``mograder.hub.identity.policy`` and ``model``: who may do what, as one table."""

from __future__ import annotations

import pytest

from mograder.hub.identity.model import Identity, Role
from mograder.hub.identity.policy import Action, allowed

NOBODY = None
OWNER = Identity("ada", Role.STUDENT, "cookie")
OTHER = Identity("bob", Role.STUDENT, "cookie")
TEACHER = Identity("eve", Role.INSTRUCTOR, "proxy")

#                        nobody, owner, other student, instructor: to what belongs to ada
TO_ADAS = {
    Action.PUBLIC: (True, True, True, True),
    Action.USE_HUB: (False, True, True, True),
    Action.VIEW_WORK: (False, True, False, True),
    Action.CHANGE_WORK: (False, True, False, True),
    Action.CONTROL_SESSION: (False, True, False, True),
    Action.USE_SESSION: (False, True, False, False),
    Action.PUBLISH: (False, False, False, True),
    Action.MANAGE_USERS: (False, False, False, True),
    Action.MANAGE_TOKENS: (False, False, False, True),
    Action.TEACH: (False, False, False, True),
}
TO_NOBODYS = {
    Action.PUBLIC: (True, True, True, True),
    Action.USE_HUB: (False, True, True, True),
    Action.VIEW_WORK: (False, True, True, True),
    Action.CHANGE_WORK: (False, True, True, True),
    Action.CONTROL_SESSION: (False, True, True, True),
    Action.USE_SESSION: (False, True, True, True),
    Action.PUBLISH: (False, False, False, True),
    Action.MANAGE_USERS: (False, False, False, True),
    Action.MANAGE_TOKENS: (False, False, False, True),
    Action.TEACH: (False, False, False, True),
}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(
    ("owner", "table"), [("ada", TO_ADAS), (None, TO_NOBODYS)], ids=["ada's", "nobody's"]
)
def test_the_table_of_who_may_do_what(
    action: Action, owner: str | None, table: dict[Action, tuple[bool, ...]]
) -> None:
    decisions = [allowed(identity, action, owner) for identity in (NOBODY, OWNER, OTHER, TEACHER)]
    assert tuple(decision.allowed for decision in decisions) == table[action]


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("identity", [NOBODY, OWNER, OTHER, TEACHER])
def test_every_decision_has_its_reason(action: Action, identity: Identity | None) -> None:
    assert allowed(identity, action, "ada").reason


@pytest.mark.parametrize("name", ["Ada", "ada ", "ad", "adaa", "аda", ""])
def test_a_name_that_looks_like_the_owners_is_not_the_owners(name: str) -> None:
    for action in (Action.VIEW_WORK, Action.CHANGE_WORK, Action.USE_SESSION, Action.CONTROL_SESSION):
        assert not allowed(Identity(name, Role.STUDENT, "token"), action, "ada").allowed


def test_an_instructors_own_notebook_is_theirs() -> None:
    assert allowed(TEACHER, Action.USE_SESSION, "eve").allowed


def test_only_instructors_are_instructors() -> None:
    assert TEACHER.is_instructor
    assert not OWNER.is_instructor
