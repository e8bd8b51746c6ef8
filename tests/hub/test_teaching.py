"""``mograder.hub.teaching`` (``radar``, ``messages``, ``visits``, ``people``, ``tabular``, ``audit_search``, ``load``,
``desk``) and what it is kept in, ``mograder.hub.store.classroom``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from mograder.errors import Malformed, NotFound
from mograder.hub.audit import AuditLog, Entry
from mograder.hub.identity.model import Identity, Role
from mograder.hub.identity.policy import Action, allowed
from mograder.hub.pages.language import speaking, tell
from mograder.hub.store.classroom import Attempt, AttemptTable, MessageTable, VisitTable
from mograder.hub.store.database import open_database
from mograder.hub.store.state import CopyTable, Login, ResultTable, StoredResult
from mograder.hub.teaching import audit_search, radar, tabular
from mograder.hub.teaching.load import Load
from mograder.hub.teaching.messages import LIFETIME, MAX_CHARACTERS, Messages
from mograder.hub.teaching.people import everybody
from mograder.hub.teaching.visits import SAME_VISIT, SHOWN, Visits
from mograder.sessions.model import Use


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(tmp_path / "hub.db")
    yield made
    made.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


# -- messages -------------------------------------------------------------------------------------------------


def test_a_message_is_shown_to_everybody_until_each_has_put_it_away(engine: Engine) -> None:
    messages = Messages(MessageTable(engine))
    sent = messages.send("prof", "  Room 3 today.\n")
    assert [m.text for m in messages.shown_to("ada")] == ["Room 3 today."]
    messages.dismiss(sent.id, "ada")
    messages.dismiss(sent.id, "ada")
    assert messages.shown_to("ada") == ()
    assert messages.shown_to("bob") == (sent,)
    assert messages.readers(sent.id) == 1


def test_the_next_hub_knows_the_messages_and_who_put_them_away(engine: Engine) -> None:
    before = Messages(MessageTable(engine))
    first, second = before.send("prof", "one"), before.send("prof", "two")
    before.dismiss(first.id, "ada")
    after = Messages(MessageTable(engine))
    assert after.shown_to("ada") == (second,)
    assert after.shown_to("bob") == (second, first)


def test_a_message_that_is_taken_back_is_gone_for_everybody(engine: Engine) -> None:
    messages = Messages(MessageTable(engine))
    sent = messages.send("prof", "wrong room")
    messages.withdraw(sent.id)
    assert messages.current() == Messages(MessageTable(engine)).current() == ()
    for act in (lambda: messages.withdraw(sent.id), lambda: messages.dismiss(sent.id, "ada")):
        with pytest.raises(NotFound, match="There is no such message"):
            act()


def test_old_messages_are_shown_to_nobody(engine: Engine, clock: Clock) -> None:
    messages = Messages(MessageTable(engine), clock)
    messages.send("prof", "one")
    clock.now += LIFETIME + 1
    assert messages.shown_to("ada") == ()


@pytest.mark.parametrize("text", ["", " \n ", "x" * (MAX_CHARACTERS + 1)])
def test_an_empty_or_an_endless_message_is_not_sent(engine: Engine, text: str) -> None:
    messages = Messages(MessageTable(engine))
    with pytest.raises(Malformed, match="nothing was sent"):
        messages.send("prof", text)
    assert messages.current() == ()


# -- visits ---------------------------------------------------------------------------------------------------


def test_a_look_is_noted_once_for_a_visit_and_shown_for_two_weeks(engine: Engine, clock: Clock) -> None:
    visits = Visits(VisitTable(engine), clock)
    visits.note("prof", "ada", "A1")
    clock.now += SAME_VISIT / 2
    visits.note("prof", "ada", "A1")
    visits.note("prof", "ada", "A2")
    visits.note("prof", "bob", "A1")
    assert [(v.visitor, v.item) for v in visits.to("ada")] == [("prof", "A2"), ("prof", "A1")]
    clock.now += SAME_VISIT
    visits.note("prof", "ada", "A1")
    assert len(visits.to("ada")) == 3
    clock.now += SHOWN
    assert visits.to("ada") == ()


# -- radar ----------------------------------------------------------------------------------------------------


def test_tries_count_up_to_the_first_pass_which_stays(engine: Engine) -> None:
    table = AttemptTable(engine)
    CopyTable(engine).set_base("ada", "A1", "0" * 64)
    for when, status in ((1.0, "warn"), (2.0, "danger"), (3.0, "partial"), (4.0, "success"), (5.0, "danger")):
        table.note("ada", "A1", [("Q1", status)], when)
    (attempt,) = table.of_item("A1")
    assert (attempt.tries, attempt.first_tried, attempt.first_passed, attempt.status) == (
        3,
        2.0,
        4.0,
        "danger",
    )
    assert table.begun("A1") == 1
    assert table.progress() == {"ada": (1, 1)}


def attempt(user: str, label: str, passed: float | None = None, tries: int = 1) -> Attempt:
    return Attempt(user, label, "success" if passed else "danger", tries, 1.0, passed, 0.0)


def test_a_class_is_summed_up_by_check_in_natural_order() -> None:
    tries = [
        attempt("ada", "Q10"),
        attempt("ada", "Q2", 60.0),
        attempt("bob", "Q2", 120.0, 3),
        attempt("cyd", "Q2"),
    ]
    second, tenth = radar.standings(tries)
    assert (second.label, second.tried, second.passed, second.stuck) == ("Q2", 3, 2, ("cyd",))
    assert (second.median_seconds, second.median_tries) == (90.0, 2.0)
    assert (tenth.label, tenth.passed, tenth.median_seconds) == ("Q10", 0, None)


def result(**found: Any) -> StoredResult:
    return StoredResult("0" * 64, 1.0, 0, 1, json.dumps(found))


def test_the_same_trouble_with_other_numbers_is_one_cluster(engine: Engine) -> None:
    def wrong(number: int) -> StoredResult:
        details = f"✓ it is there\nexpected 42, got {number}"
        return result(checks=[{"label": "Q1", "status": "danger", "details": details}], cell_errors=None)

    table = ResultTable(engine)
    table.put("ada", "A1", wrong(7))
    table.put("bob", "A1", wrong(8.5))
    table.put("cyd", "A1", result(checks=[], cell_errors=[{"message": "division by zero"}]))
    found = radar.clusters(AttemptTable(engine).results("A1"))
    assert [(c.where, c.text, c.students) for c in found] == [
        ("Q1", "expected 42, got 7", ("ada", "bob")),
        ("", "division by zero", ("cyd",)),
    ]


# -- people ---------------------------------------------------------------------------------------------------


def test_everybody_who_may_or_did_come_is_listed_with_what_they_did() -> None:
    login = Login("d", "cyd", "student", "proxy", 1.0, 5.0)
    people = everybody({"ada"}, ["prof"], {"cyd": login}, {"ada": (2, 7)})
    assert [(p.user, p.role, p.admitted, p.last_seen, p.begun, p.passed) for p in people] == [
        ("prof", "instructor", True, None, 0, 0),
        ("ada", "student", True, None, 2, 7),
        ("cyd", "student", False, 5.0, 0, 0),
    ]
    assert all(p.admitted for p in everybody(None, [], {"cyd": login}, {}))


# -- tables for programs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_no_spreadsheet_takes_a_cell_for_a_formula(cell: str) -> None:
    text = tabular.to_csv(["Name"], [[cell]]).decode("utf-8-sig")
    assert text.split("\r\n", 1)[1].lstrip('"').startswith("'")


def test_a_table_is_found_by_words_and_read_back_whole() -> None:
    rows = [("Ada", "A1"), ("Bob", 'B"2,\n'), ("\ud800", "x")]
    assert tabular.search(rows, "ADA a1") == [("Ada", "A1")]
    assert tabular.search(rows, "ada b") == []
    assert json.loads(tabular.to_json(["who", "what"], rows[:2]))[1] == {"who": "Bob", "what": 'B"2,\n'}
    assert tabular.to_csv(["who", "what"], rows).startswith(b"\xef\xbb\xbfwho,what\r\n")


# -- the audit log, backwards ---------------------------------------------------------------------------------


def test_the_newest_entries_come_first_and_from_older_files_too(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.with_name("audit.log.1").write_text("".join(json.dumps({"n": n}) + "\n" for n in range(3)))
    lines = "".join(json.dumps({"n": n, "pad": "x" * 9000}) + "\n" for n in range(3, 40))
    log.write_text(lines + '{"n": 40, "cut')
    found = [entry["n"] for entry in audit_search.entries(log, 100)]
    assert found == list(range(39, -1, -1))
    assert [e["n"] for e in audit_search.entries(log, 2, lambda entry: entry["n"] % 2 == 0)] == [38, 36]
    assert audit_search.entries(tmp_path / "none", 5) == []


def test_the_rule_of_a_line_is_told_in_the_language_of_its_reader(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    ada = Identity("ada", Role.STUDENT, "cookie")
    for rule in (allowed(ada, Action.PUBLISH).reason, allowed(ada, Action.VIEW_WORK, "ada").reason):
        log.note(Entry(ada, "192.0.2.7", "POST", "/publish/A1", 403 if "only" in rule else 200, rule=rule))
    log.close()
    rules = [audit_search.row(entry)[-1] for entry in audit_search.entries(tmp_path / "audit.log", 9)]
    assert rules == ["it is their own", "only instructors may publish"]
    with speaking("de"):
        own, staff = (tell(rule) for rule in rules)
    assert own == "es gehört ihnen selbst"
    assert "Lehrende" in staff and "instructors" not in staff


@pytest.mark.parametrize(
    "said",
    [
        7,
        {"sentence": "{x}", "values": {}},
        {"sentence": "{x.y}", "values": {"x": "1"}},
        {"sentence": "{0}", "values": {"x": "1"}},
        {"sentence": "something else", "values": {}},
        {"sentence": 1, "values": None},
    ],
)
def test_a_line_that_contradicts_itself_shows_what_was_written(said: Any) -> None:
    found = audit_search.row({"rule": "it is so", "said": said})[-1]
    assert str(found) == "it is so"
    with speaking("de"):
        assert tell(found) == "it is so"


# -- load -----------------------------------------------------------------------------------------------------


def test_load_is_what_was_used_since_the_last_look(clock: Clock) -> None:
    session = SimpleNamespace(id="s", started=clock.now - 10)
    used = [Use(100, 5.0)]

    async def uses() -> list[Any]:
        return [(session, used[0])]

    load = Load(SimpleNamespace(uses=uses), clock)  # type: ignore[arg-type]
    assert asyncio.run(load.now())["s"].cores == 0.5
    used[0] = Use(200, 25.0)
    assert asyncio.run(load.now())["s"].memory_bytes == 100, "looked again at once"
    clock.now += 10
    reading = asyncio.run(load.now())["s"]
    assert (reading.memory_bytes, reading.cores) == (200, 2.0)
