"""Every answer that a real Moodle was recorded with, said again over HTTP: what the client makes of each.

``mograder.moodle.wire``, ``answers`` and ``client``. The recordings are in ``recorded/``.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mograder.errors import MoodleFailed
from mograder.moodle import wire
from mograder.moodle.answers import Assignment, Assignments, Standing, typed
from mograder.moodle.client import Moodle
from mograder.moodle.wire import Wire, token_for
from tests.support.moodle import COURSE, RECORDED, recorded

NAMES = sorted(path.stem for path in RECORDED.glob("*.json"))
ALL = {name: json.loads((RECORDED / f"{name}.json").read_text()) for name in NAMES}


def function(name: str) -> str:
    """The web-service function that was called; empty for what is none."""
    return str(ALL[name]["request"].get("form", {}).get("wsfunction", ""))


def refusal(name: str) -> str | None:
    """The code of a recorded refusal."""
    said = ALL[name]["response"].get("json")
    return said.get("errorcode") if isinstance(said, dict) else None


class Replay:
    """A server that answers whatever it is asked with one recording. ``url`` has no final slash."""

    def __init__(self) -> None:
        self.name = ""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def wire(self, name: str) -> Wire:
        self.name = name
        return Wire(self.url, "TOKEN-anybody")


def _handler(replay: Replay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            said = ALL[replay.name]["response"]
            body = json.dumps(said["json"]).encode() if "json" in said else said.get("text", "").encode()
            self.send_response(said["status"])
            for key, value in said["headers"].items():
                if key.casefold() in ("content-type", "content-disposition", "etag"):
                    self.send_header(key, value.encode().decode("latin-1"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

    return Handler


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    made = Replay()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


REST = [name for name in NAMES if function(name)]
DOWNLOADS = [name for name in NAMES if name.startswith("download_")]
UPLOADS = [name for name in NAMES if name.startswith("upload_")]
LOGINS = [name for name in NAMES if name.startswith("login_token_")]
ODD = ["error_ws_disabled", "xml_error", "site_info_via_get"]
"""No JSON, or asked in a way that is not ours."""


def test_no_recording_is_forgotten() -> None:
    assert {*REST, *DOWNLOADS, *UPLOADS, *LOGINS, *ODD} == {*NAMES}


def test_recordings_hold_no_secret_and_no_real_host() -> None:
    for path in RECORDED.glob("*.json"):
        text = path.read_text()
        assert all(part.startswith("moodle.example.edu") for part in text.split("https://")[1:]), path.name
        keys = [part[:12] for part in text.split('"userprivateaccesskey": "')[1:]]
        assert all(key.startswith("PRIVATE") for key in keys), path.name


@pytest.mark.parametrize("name", [name for name in NAMES if refusal(name)])
def test_every_refusal_has_a_sentence_of_its_own(name: str) -> None:
    assert refusal(name) in wire._SENTENCES


@pytest.mark.parametrize("name", [name for name in REST if name not in ODD])
def test_an_answer_of_a_function_comes_as_it_is_or_is_a_refusal(replay: Replay, name: str) -> None:
    with replay.wire(name) as line:
        if (code := refusal(name)) is None:
            assert line.call(function(name)) == recorded(name)
            return
        with pytest.raises(MoodleFailed) as refused:
            line.call(function(name))
    assert refused.value.code == code
    assert "error/" not in str(refused.value)
    said = ALL[name]["response"]["json"]
    assert code != "invalidparameter" or said.get("debuginfo", "")[:20] in str(refused.value)


HW1 = typed(Assignments, recorded("assignments_teacher"), "").courses[0].assignments[0]


def _all_of_one(said: Any, key: str) -> list[Any]:
    return list(said["assignments"][0][key])


READS: dict[str, tuple[Callable[[Moodle], Any], Callable[[Any], list[Any]]]] = {
    "core_webservice_get_site_info": (lambda m: m.site().functions, lambda said: said["functions"]),
    "mod_assign_get_assignments": (
        lambda m: m.assignments(COURSE),
        lambda said: next(c for c in said["courses"] if c["id"] == COURSE)["assignments"],
    ),
    "core_enrol_get_enrolled_users": (lambda m: m.people(COURSE), list),
    "mod_assign_list_participants": (lambda m: m.participants(HW1), list),
    "mod_assign_get_submissions": (
        lambda m: m.submissions(HW1),
        lambda said: _all_of_one(said, "submissions"),
    ),
    "mod_assign_get_grades": (lambda m: m.grades(HW1), lambda said: _all_of_one(said, "grades")),
}
"""By function: what the client reads, and what it was made of; the two have the same length."""


@pytest.mark.parametrize("name", [name for name in REST if function(name) in READS and name not in ODD])
def test_what_is_read_is_typed_whole_or_said_to_be_refused(replay: Replay, name: str) -> None:
    read, source = READS[function(name)]
    said = recorded(name)
    with replay.wire(name) as line:
        warned = isinstance(said, dict) and said.get("warnings") and not said.get("courses")
        if refusal(name) is None and not warned:
            assert len(read(Moodle(line))) == len(source(said)) > 0
            return
        with pytest.raises(MoodleFailed, match="Moodle"):
            read(Moodle(line))


@pytest.mark.parametrize("name", [n for n in REST if function(n) == "mod_assign_get_submission_status"])
def test_how_somebody_stands_is_typed(replay: Replay, name: str) -> None:
    with replay.wire(name) as line:
        standing = Moodle(line).standing(HW1, 5)
    said = recorded(name)["lastattempt"]
    assert (standing.last.can_edit, standing.last.locked) == (said["canedit"], said["locked"])
    assert standing.last.extension == said["extensionduedate"]
    files = [file.name for file in standing.handed_in.files("submission_files")] if standing.handed_in else []
    team = said.get("teamsubmission") or said.get("submission") or {"plugins": []}
    areas = [area for plugin in team["plugins"] for area in plugin.get("fileareas", [])]
    assert files == [
        file["filename"] for area in areas if area["area"] == "submission_files" for file in area["files"]
    ]


def test_a_team_stands_by_its_hand_in_and_a_mark_comes_with_its_comment_and_files() -> None:
    team = typed(Standing, recorded("submission_status_team_other_member"), "")
    assert team.handed_in is not None
    assert (team.handed_in.userid, team.handed_in.groupid) == (0, 1)
    given = typed(Standing, recorded("submission_status_of_other_by_teacher"), "").feedback
    assert given is not None
    assert given.grade is not None
    assert (given.grade.mark, given.text("comments")) == (87.5, "<p>Well done</p>")
    assert [file.place for file in given.files("feedback_files")] == ["feedback.html"]


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_is_the_file_or_an_error_and_never_an_error_page(replay: Replay, name: str) -> None:
    said = ALL[name]["response"]
    url = f"{replay.url}{ALL[name]['request']['path'].partition('?')[0]}"
    good = said["status"] == 200 and "json" not in said
    with replay.wire(name) as line:
        if good:
            data = line.download(url, said["length"])
            assert data == said["text"].encode()
            assert hashlib.sha1(data).hexdigest() in said["headers"]["Etag"]
            return
        with pytest.raises(MoodleFailed) as refused:
            line.download(url)
    assert refused.value.code == (refusal(name) or "")


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_is_done_when_moodle_lists_every_file_with_its_size(replay: Replay, name: str) -> None:
    said = recorded(name)
    good = isinstance(said, list) and said and all("error" not in entry for entry in said)
    entries = said if isinstance(said, list) else []
    files = {entry["filename"]: b"x" * entry.get("filesize", 1) for entry in entries} or {"a.py": b"x"}
    with replay.wire(name) as line:
        if good:
            assert line.upload(files) == said[0]["itemid"]
            with pytest.raises(MoodleFailed, match="whole"):
                line.upload({name: data + b"x" for name, data in files.items()})
            return
        with pytest.raises(MoodleFailed) as refused:
            line.upload(files)
    assert refused.value.code == (refusal(name) or "")


@pytest.mark.parametrize("name", LOGINS)
def test_a_token_is_one_or_there_is_a_reason(replay: Replay, name: str) -> None:
    replay.name = name
    if refusal(name) is None:
        assert token_for(replay.url, "ada", "right", "a_service").startswith("TOKEN-")
        return
    with pytest.raises(MoodleFailed) as refused:
        token_for(replay.url, "ada", "wrong", "a_service")
    assert refused.value.code == refusal(name)


@pytest.mark.parametrize(
    ("name", "word"), [("error_ws_disabled", "switched off"), ("xml_error", "did not answer")]
)
def test_what_is_no_json_is_said_in_a_sentence(replay: Replay, name: str, word: str) -> None:
    with replay.wire(name) as line, pytest.raises(MoodleFailed, match=word):
        line.call("core_webservice_get_site_info")


SAVES = [n for n in REST if function(n) == "mod_assign_save_submission" and refusal(n) is None]


@pytest.mark.parametrize("name", SAVES)
def test_a_hand_in_that_was_not_kept_is_an_error(replay: Replay, name: str) -> None:
    """The lists of warnings that mean "no", and the empty list that means "yes"."""
    said = recorded(name)
    with replay.wire(name) as line:
        moodle = Moodle(line)
        moodle.standing = lambda *_: Standing()  # type: ignore[method-assign]
        if not said:
            moodle._unless_warned(said, HW1, "did not keep the hand-in")
            return
        with pytest.raises(MoodleFailed, match="did not keep"):
            moodle._unless_warned(said, HW1, "did not keep the hand-in")


def test_an_assignment_of_the_recordings_says_what_it_is() -> None:
    found: dict[str, Assignment] = {
        one.name: one
        for course in typed(Assignments, recorded("assignments_teacher"), "").courses
        for one in course.assignments
    }
    assert found["HW5 Blind"].blind
    assert not found["HW5 Blind"].shows_feedback("released")
    assert found["HW2 Workflow"].shows_feedback("released")
    assert not found["HW2 Workflow"].shows_feedback("inmarking")
    assert HW1.limit("maxfilesubmissions") == 5
    assert HW1.limit("no-such-setting") == 0
