"""The audit log: complete, bounded, and nobody's to write in but the hub's."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from mograder.hub.audit import AuditLog, Entry, Printable, line, printable
from mograder.hub.identity.model import Identity, Role

ALICE = Identity("alice", Role.STUDENT, "proxy")


def entry(path: str = "/reset/alice/A1", status: int = 200, **more: Any) -> Entry:
    return Entry(ALICE, "192.0.2.7", "POST", path, status, **more)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_a_line_says_who_did_what_to_whose_what_when_from_where_and_by_which_rule(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log", clock=lambda: 0.0)
    log.note(
        entry("/reset/bob/A1", 403, rule="only instructors may", action="change work", owner="bob", item="A1")
    )
    assert lines(tmp_path / "audit.log") == [
        {
            "when": "1970-01-01T00:00:00.000+00:00",
            "who": "alice",
            "role": "student",
            "via": "proxy",
            "from": "192.0.2.7",
            "did": "POST /reset/bob/A1",
            "action": "change work",
            "owner": "bob",
            "item": "A1",
            "status": 403,
            "outcome": "refused",
            "rule": "only instructors may",
        }
    ]
    log.close()


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "done"), (303, "done"), (401, "refused"), (429, "refused"), (409, "failed")]
)
def test_an_outcome_is_one_of_three_words(status: int, outcome: str) -> None:
    assert entry(status=status).outcome == outcome


def test_it_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch(0o644)
    log = AuditLog(path)
    log.note(entry())
    assert path.stat().st_mode & 0o777 == 0o600
    log.close()


@pytest.mark.parametrize(
    "hostile", ["a\nb", "a\r\n{}", "\x1b[2J", "\x7f", "\x9b31m", "\u202e", "\u2028", "\0", '"}\n{"']
)
def test_no_name_writes_a_line_or_a_colour(hostile: str) -> None:
    text = line(entry(hostile, rule=hostile, owner=hostile, item=hostile), 0.0)
    assert text.endswith("\n")
    assert all(" " <= character <= "~" for character in text[:-1])
    assert json.loads(text)["owner"] == hostile


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    assert len(line(entry("/" + "x" * 100_000), 0.0)) < 1000


def test_a_flood_of_one_refusal_is_two_lines(tmp_path: Path) -> None:
    now = 0.0
    log = AuditLog(tmp_path / "audit.log", clock=lambda: now)
    for _ in range(1000):
        log.note(entry(status=401))
    now = 11.0
    log.note(entry(status=401))
    log.close()
    first, second = lines(tmp_path / "audit.log")
    assert "repeated" not in first
    assert second["repeated"] == 999


def test_what_was_left_out_is_counted_at_the_end(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    for _ in range(3):
        log.note(entry(status=403))
    log.close()
    assert lines(tmp_path / "audit.log")[-1]["repeated"] == 2


def test_every_change_that_was_made_is_a_line_of_its_own(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    for _ in range(3):
        log.note(entry())
    log.close()
    assert len(lines(tmp_path / "audit.log")) == 3


def test_a_flood_of_different_refusals_fills_no_disk_and_no_memory(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log", max_bytes=20_000, keep=3)
    for number in range(5000):
        log.note(Entry(None, f"192.0.2.{number}", "GET", f"/x{number}", 403))
    log.close()
    assert {path.name for path in tmp_path.iterdir()} == {"audit.log", *(f"audit.log.{n}" for n in (1, 2, 3))}
    assert all(path.stat().st_size <= 20_000 for path in tmp_path.iterdir())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    last = lines(tmp_path / "audit.log")[-1]
    assert (last["did"], last["repeated"]) == (" more than are listed", 3999)


@pytest.mark.parametrize(
    "status", [403, 404, 405]
)  # what is not there is refused to nobody, but is no deed either
def test_of_many_different_refusals_of_one_address_some_are_told_apart_and_others_lose_nothing(
    tmp_path: Path, status: int
) -> None:
    now = 0.0
    log = AuditLog(tmp_path / "audit.log", clock=lambda: now)
    for number in range(5000):
        log.note(Entry(None, "192.0.2.9", "GET", f"/edit/user/x/{number}/", status))
        if number == 4000:
            log.note(entry("/reset/bob/A1", 403))
    flood = [row for row in lines(tmp_path / "audit.log") if row["from"] == "192.0.2.9"]
    assert len(flood) == 51
    assert (flood[-1]["did"], flood[-1]["rule"]) == (" more than are listed", "too many refusals at once")
    assert lines(tmp_path / "audit.log")[-1]["did"] == "POST /reset/bob/A1"
    now = 11.0
    log.note(Entry(None, "192.0.2.9", "GET", "/edit/user/x/again/", status))
    assert lines(tmp_path / "audit.log")[-1]["did"] == "GET /edit/user/x/again/"
    log.close()
    assert 4949 in [row.get("repeated") for row in lines(tmp_path / "audit.log")]


def test_it_goes_on_where_the_last_hub_ended(tmp_path: Path) -> None:
    for _ in range(2):
        log = AuditLog(tmp_path / "audit.log")
        log.note(entry())
        log.close()
    assert len(lines(tmp_path / "audit.log")) == 2


def test_a_link_in_its_place_is_not_followed_and_the_trouble_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "target"
    (tmp_path / "audit.log").symlink_to(target)
    log = AuditLog(tmp_path / "audit.log")
    log.note(entry())
    log.note(entry())
    log.close()
    assert not target.exists()
    assert len(caplog.records) == 1


def test_printable_leaves_words_and_escapes_the_rest() -> None:
    assert printable("Zoë a\nb\x1b[0m\u202e") == "Zoë a\\nb\\x1b[0m\\u202e"


def test_the_hubs_log_takes_no_lines_from_a_request() -> None:
    try:
        raise ValueError("x\n2026-01-01 INFO forged\x1b[2J")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "at %s", ("/a\nINFO forged",), sys.exc_info())
    said = Printable("%(levelname)s %(message)s").format(record)
    assert "\x1b" not in said
    first, *rest = said.split("\n")
    assert first == "ERROR at /a\\nINFO forged"
    assert all(text.startswith("  | ") for text in rest)
