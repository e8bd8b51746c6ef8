"""``mograder.sessions.model`` and ``mograder.sessions.registry``: the words, and where they are written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from mograder.hub.store.database import open_database
from mograder.hub.store.state import SessionTable
from mograder.sessions.model import Handle, Session, SessionKey, State
from mograder.sessions.registry import MemoryRegistry, Registry


def session(number: int = 1, **changes: object) -> Session:
    key = SessionKey("edit", "ada", f"A{number}")
    made = Session(str(number), key, State.READY, Path("/run/s"), Path("/run"), started=1.5, last_seen=2.5)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_key_says_where_its_session_lives() -> None:
    assert SessionKey("run", "ada", "L01").path == "run/user/ada/L01"
    assert session().url == "edit/user/ada/A1/"


def test_a_session_is_live_while_it_can_be_used() -> None:
    assert {state for state in State if session(state=state).live} == {State.STARTING, State.READY}


def test_a_handle_comes_back_as_it_was() -> None:
    handle = Handle(7, 123.0, {"home": "/run/ü", "how": "fork"})
    assert Handle.loads(handle.dumps()) == handle
    assert "\n" not in handle.dumps()


@pytest.fixture(params=["memory", "database"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    if request.param == "memory":
        return MemoryRegistry()
    engine = open_database(tmp_path / "hub.db")
    request.addfinalizer(engine.dispose)
    return SessionTable(engine)


def test_what_was_saved_is_there_as_it_was(registry: Registry) -> None:
    saved = session(
        handle=Handle(7, 1.0, {"home": "/x"}),
        scratch=Path("/run/scratch"),
        environment="e1",
        notebook="A1.py",
    )
    registry.save(saved)
    assert registry.all() == [saved]


def test_saving_again_replaces(registry: Registry) -> None:
    registry.save(session(state=State.STARTING))
    registry.save(session(state=State.READY))
    assert [found.state for found in registry.all()] == [State.READY]


def test_what_was_forgotten_is_gone(registry: Registry) -> None:
    registry.save(session(1))
    registry.save(session(2))
    registry.forget("1")
    registry.forget("unknown")
    assert [found.id for found in registry.all()] == ["2"]


def test_when_sessions_were_active_is_noted(registry: Registry) -> None:
    registry.save(session(1))
    registry.save(session(2))
    registry.seen([("1", 99.0), ("unknown", 98.0)])
    registry.seen([])
    assert {found.id: found.last_seen for found in registry.all()} == {"1": 99.0, "2": 2.5}
