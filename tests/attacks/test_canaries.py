"""Secrets that are planted, used for everything they are for, and then looked for wherever they have no place.

A hub of a class: it starts notebooks, validates, refuses, fails. Its secrets are in its own memory, and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mograder.hub.identity import tokens
from mograder.hub.identity.model import Role
from tests.attacks.content_hosts import ITEM, SECRET, Apart, hub_apart
from tests.attacks.test_hand_off import Way
from tests.support.hub import NOTEBOOK, PROXY_SECRET, by_proxy

pytestmark = pytest.mark.real

SEEN = NOTEBOOK.format(title="Look around").replace(
    "    answer = None  # YOUR CODE HERE\n",
    """    import os
    import pathlib

    answer = 42
    looked = [str(dict(os.environ))]
    for one in pathlib.Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            try:
                looked.append((one / name).read_bytes().decode("latin-1"))
            except OSError:
                pass
    assert not looked, "looked at " + " ".join(looked)  # into the report, and into the hub's answer
""",
)


class Canaries:
    """A hub's secrets by name, and everything that it has said so far."""

    def __init__(self, hub: Apart, hub_secret: str) -> None:
        self.hub = hub
        self.said = b""
        self.cookie = next(iter(hub.signed_in("alice").values()))
        self.token = tokens.make(hub_secret, "alice", Role.STUDENT)
        way = Way(hub, "alice")
        self.ticket = way.ticket().headers["location"].partition("ticket=")[2]
        self.content = Way(hub, "alice").cookie()["mograder_content"]
        self.secrets = {
            "the hub's secret": hub_secret,
            "the proxy's secret": PROXY_SECRET,
            "the token": self.token,
            "the token's signature": self.token.rpartition(".")[2],
            "the hub's cookie": self.cookie,
            "the ticket": self.ticket,
            "the content cookie": self.content,
        }

    def hear(self, answer: httpx.Response) -> httpx.Response:
        """Keep what an answer says, but for the cookies and the way to the content host, which are for one browser."""
        shown = [
            f"{name}: {value}"
            for name, value in answer.headers.items()
            if name not in ("set-cookie", "location")
        ]
        self.said += "\n".join(shown).encode("latin-1") + answer.content
        return answer

    def found_in(self, text: bytes) -> set[str]:
        return {name for name, secret in self.secrets.items() if secret.encode() in text}


@pytest.fixture(scope="module")
def canaries(course_root: Path) -> Iterator[Canaries]:
    with hub_apart(course_root / "canaries", "owners") as hub:
        hub.start("alice")
        canaries = Canaries(hub, SECRET)
        use_everything(canaries)
        yield canaries


def use_everything(canaries: Canaries) -> None:
    """Whatever carries a secret to the hub, carries it there: well, badly, and when the hub fails."""
    hub = canaries.hub
    carried = [
        {"Authorization": f"Bearer {canaries.token}"},
        {"Authorization": f"Bearer {canaries.token}x"},
        {"Authorization": canaries.token},
        {"Cookie": f"mograder_hub={canaries.cookie}; mograder_content={canaries.content}"},
        {"Cookie": f"mograder_hub={canaries.cookie}x"},
        {**by_proxy("alice"), "X-Remote-User": canaries.cookie + "/"},
        {"X-Remote-User": "prof", "X-Proxy-Secret": PROXY_SECRET + "x"},
        by_proxy("alice"),
        by_proxy("prof"),
    ]
    query = f"?ticket={canaries.ticket}&token={canaries.token}&secret={PROXY_SECRET}"
    paths = [
        "",
        "assignments",
        f"status/bob/{ITEM}",
        "nothing",
        f"history/alice/{ITEM}",
        "teach/health",
        "teach/audit",
    ]
    paths += ["teach/tokens", f"hand-off/edit/user/alice/{ITEM}", f"edit/user/alice/{ITEM}/", "openapi.json"]
    for fields in carried:
        for path in paths:
            for accept in ("text/html", "application/json"):
                canaries.hear(hub.ask(f"{hub.hub_url}{path}{query}", **{**fields, "Accept": accept}))
        canaries.hear(hub.ask(f"{hub.hub_url}reset/bob/{ITEM}{query}", method="POST", **fields))
        for rest in ("", "api/status/connections", "_hub/hand-off"):
            canaries.hear(hub.ask(f"{hub.page('alice')}{rest}{query}", **fields))
    page = hub.ask(hub.page("alice"), cookies={"mograder_content": canaries.content})
    assert canaries.hear(page).status_code == 200
    work(canaries)
    fail(canaries)


def work(canaries: Canaries) -> None:
    """Let a student's code look around in its jail, that of a validation, and have its report read."""
    hub = canaries.hub
    with hub.running.client("mallory") as http:
        http.post(f"download-release/mallory/{ITEM}").raise_for_status()
        (workspace(hub, "mallory") / f"{ITEM}.py").write_text(SEEN)
        canaries.hear(http.post(f"validate/mallory/{ITEM}")).raise_for_status()
    bearer = {"Authorization": f"Bearer {tokens.make(SECRET, 'mallory', Role.STUDENT)}"}
    report = canaries.hear(hub.ask(f"{hub.hub_url}validate-report/mallory/{ITEM}", **bearer))
    assert "looked at" in report.text and "PATH" in report.text


def fail(canaries: Canaries) -> None:
    """Have the hub fail in earnest: a table of its database is gone for a while."""
    hub = canaries.hub
    database = hub.running.course / ".mograder" / "hub.db"
    failed = set()
    with contextlib.closing(sqlite3.connect(database)) as line:
        tables = [name for (name,) in line.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            line.execute(f'ALTER TABLE "{table}" RENAME TO "{table}_away"')
        line.commit()
        try:
            for path in ("", "assignments", f"results/alice/{ITEM}", "teach/people", "teach/tokens"):
                for accept in ("text/html", "application/json"):
                    fields = {
                        **by_proxy("prof"),
                        "Accept": accept,
                        "Cookie": f"mograder_hub={canaries.cookie}",
                    }
                    url = f"{hub.hub_url}{path}?token={canaries.token}"
                    failed.add(canaries.hear(hub.ask(url, **fields)).status_code)
        finally:
            for table in tables:
                line.execute(f'ALTER TABLE "{table}_away" RENAME TO "{table}"')
            line.commit()
    assert 500 in failed, failed


def workspace(hub: Apart, user: str) -> Path:
    return hub.running.course / "hub-notebooks" / user / ITEM


def test_no_answer_and_no_page_shows_a_secret(canaries: Canaries) -> None:
    assert len(canaries.said) > 100_000
    assert canaries.found_in(canaries.said) == set()
    assert (
        b"mograder/hub/" not in canaries.said
    )  # a traceback of the hub's; the report shows the student's own


def test_no_log_holds_a_secret(canaries: Canaries) -> None:
    state = canaries.hub.running.course / ".mograder"
    logs = "".join(canaries.hub.running.lines).encode() + b"".join(
        p.read_bytes() for p in state.glob("audit.log*")
    )
    assert b'"who":"alice"' in logs.replace(b'": "', b'":"')
    assert b"Traceback" in logs  # the failures were written down, with all that led there
    assert canaries.found_in(logs) == set()
    assert all(json.loads(line) for line in (state / "audit.log").read_text().splitlines())


def test_no_file_of_the_course_or_the_hubs_state_holds_a_secret(canaries: Canaries) -> None:
    """Nor the database, which knows of cookies by digests, and of tokens by numbers."""
    holders = {}
    course = canaries.hub.running.course
    read = 0
    for path in course.rglob("*"):
        if (
            path.is_file()
            and not path.is_symlink()
            and path.stat().st_size < 64 << 20
            and "environments" not in path.parts
        ):
            read += 1
            if found := canaries.found_in(path.read_bytes()):
                holders[str(path.relative_to(course))] = found
    assert read > 10
    assert holders == {}


def test_no_process_but_the_hub_holds_a_secret(canaries: Canaries) -> None:
    """The environment and the words of every process of this machine: notebooks, the engine, helpers."""
    holders, seen = {}, 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            seen += re.search(rb"canaries|engine|session", said) is not None
            mine = canaries.found_in(said) - {"the proxy's secret", "the hub's secret"}
            inherited = canaries.found_in(said) and is_below(int(process.name), canaries.hub.running.pid)
            if mine or inherited:
                holders[process.name] = said[:200]
    assert seen
    assert holders == {}


def is_below(pid: int, ancestor: int) -> bool:
    """Whether a process descends from another one, and is not that one."""
    while pid > 1:
        with contextlib.suppress(OSError):
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if pid == ancestor:
                return True
            continue
        return False
    return False


def test_a_planted_secret_would_be_found(canaries: Canaries) -> None:
    """Or all of this would prove nothing."""
    for name, secret in canaries.secrets.items():
        assert canaries.found_in(b"x" + secret.encode() + b"y") >= {name}
