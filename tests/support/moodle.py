"""A Moodle over HTTP that answers as the recorded one did (``tests/moodle/recorded``), mistakes included.

It keeps what is sent to it: drafts, hand-ins, marks. ``mode`` makes it ill.
"""

from __future__ import annotations

import copy
import email.parser
import email.policy
import hashlib
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

RECORDED = Path(__file__).parents[1] / "moodle" / "recorded"
COURSE = 2
WEEK = 7 * 86400

Mode = Literal["ok", "maintenance", "slow", "html", "off", "redirect", "damaged", "empty"]


def recorded(name: str) -> Any:
    """The JSON of a recorded answer."""
    return json.loads((RECORDED / f"{name}.json").read_text())["response"]["json"]


class Refused(Exception):
    """An answer in the first shape of a refusal."""

    def __init__(self, code: str, message: str, kind: str = "moodle_exception") -> None:
        super().__init__(message)
        self.code, self.message, self.kind = code, message, kind


class FakeMoodle:
    """The server and what it keeps. Tokens are ``TOKEN-`` and a name; ``teacher1`` teaches, ``hubservice`` sees all."""

    def __init__(self) -> None:
        self.mode: Mode = "ok"
        self.old = False  # 4.4 instead of 5.1
        self.forgetful: set[str] = set()  # functions that say yes and do nothing
        self.not_in_service: set[str] = set()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.release = threading.Event()  # ends the waiting of "slow"
        self.files: dict[str, bytes] = {}
        self.drafts: dict[int, dict[str, bytes]] = {}
        self.handed_in: dict[tuple[int, int], dict[str, Any]] = {}
        self.marks: dict[tuple[int, int], dict[str, Any]] = {}
        self.locked: set[int] = set()
        self._numbers = itertools.count(900_000_001)
        self.people = {person["id"]: person for person in recorded("svc_enrolled_users")}
        self.assignments = recorded("assignments_teacher")["courses"][0]["assignments"]
        now = int(time.time())
        for one in self.assignments:
            one.update(allowsubmissionsfromdate=now - WEEK, duedate=now + WEEK, cutoffdate=now + 2 * WEEK)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        for one in self.assignments:
            for file in one.get("introattachments", []):
                self._attach(file, b"a,b\n1,2\n" if file["filename"].endswith(".csv") else b"import marimo\n")

    def assignment(self, number: int) -> dict[str, Any]:
        """What is known of an assignment, to be changed."""
        return next(one for one in self.assignments if one["id"] == number)

    def attach(self, number: int, files: dict[str, bytes]) -> None:
        """Replace the additional files of an assignment, as a teacher does in a browser."""
        model = copy.deepcopy(self.assignments[0]["introattachments"][0])
        listed = []
        for name, data in files.items():
            where = f"https://moodle.example.edu/webservice/pluginfile.php/{18 + number}/mod_assign/introattachment/0/"
            file = model | {"filename": name, "fileurl": where + quote(name)}
            self._attach(file, data)
            listed.append(file)
        self.assignment(number)["introattachments"] = listed

    def _attach(self, file: dict[str, Any], data: bytes) -> None:
        # Its own idea of its address is another than the one that it is reached by.
        file["filesize"] = len(data)
        self.files[urlsplit(file["fileurl"]).path] = data

    # What the web services do

    def call(self, token: str, function: str, given: dict[str, Any]) -> Any:
        """The answer to a function. Raises Refused."""
        who = self.who(token)
        self.calls.append((function, given))
        handler = getattr(self, function, None)
        if handler is None:
            raise Refused(
                "invalidrecord" if self.old else "invalidrecordunknown", "Can't find data record in database."
            )
        if function in self.not_in_service:
            raise Refused("accessexception", "Access control exception", "webservice_access_exception")
        return handler(who, **given)

    def who(self, token: str) -> dict[str, Any]:
        """Who a token belongs to."""
        name = token.removeprefix("TOKEN-")
        if name == "hubservice":
            return {"id": 8, "username": name, "fullname": "Hub Service", "roles": []}
        found = [p for p in self.people.values() if token.startswith("TOKEN-") and p["username"] == name]
        if not found:
            raise Refused("invalidtoken", "Invalid token - token not found")
        return found[0]

    def core_webservice_get_site_info(self, who: dict[str, Any]) -> Any:
        info = recorded("site_info_teacher")
        return info | {"userid": who["id"], "username": who["username"], "fullname": who["fullname"]}

    def mod_assign_get_assignments(
        self, who: dict[str, Any], courseids: Any = (), includenotenrolledcourses: str = "0"
    ) -> Any:
        if courseids["0"] != str(COURSE):
            return recorded("assignments_not_enrolled")
        course = recorded("assignments_teacher")["courses"][0]
        shown = [a for a in self.assignments if _teaches(who) or "Hidden" not in a["name"]]
        return {"courses": [course | {"assignments": shown}], "warnings": []}

    def core_enrol_get_enrolled_users(self, who: dict[str, Any], courseid: str, options: Any = ()) -> Any:
        wanted = {o["name"]: int(o["value"]) for o in options.values()} if options else {}
        if "onlyactive" in wanted and who["username"] != "hubservice":
            raise Refused("nopermissions", "Sorry, but you do not currently have permissions to do that.")
        people = [self._seen(p, who) for p in self.people.values()]
        begin = wanted.get("limitfrom", 0)
        return people[begin : begin + wanted.get("limitnumber", len(people))]

    def mod_assign_list_participants(
        self, who: dict[str, Any], assignid: str, groupid: str, filter: str
    ) -> Any:
        extra = recorded("list_participants")[0]
        students = [p for p in self.people.values() if not _teaches(p)]
        return [
            {k: v for k, v in extra.items() if k not in ("id", "fullname", "email")}
            | self._seen(p, who)
            | {"submitted": (int(assignid), p["id"]) in self.handed_in}
            for p in students
        ]

    def _seen(self, person: dict[str, Any], who: dict[str, Any]) -> dict[str, Any]:
        """A teacher's token shows neither user names nor ID numbers of others."""
        if who["username"] == "hubservice" or who["id"] == person["id"]:
            return dict(person)
        return {k: v for k, v in person.items() if k not in ("username", "idnumber")}

    def mod_assign_get_submission_status(self, who: dict[str, Any], assignid: str) -> Any:
        number = int(assignid)
        one = self.assignment(number)
        said = recorded("submission_status_before")
        last = said["lastattempt"]
        kept = self.handed_in.get((number, who["id"]))
        last["locked"] = number in self.locked
        final = bool(one["submissiondrafts"]) and kept is not None and kept["status"] == "submitted"
        last["canedit"] = self._open(one) and not final and not last["locked"]
        if kept is not None:
            last["submission"] = kept
        mark = self.marks.get((number, who["id"]))
        if mark is not None:
            feedback = recorded("submission_status_graded")["feedback"]
            feedback["gradefordisplay"] = f"{mark['grade']:.2f}&nbsp;/&nbsp;100.00"
            feedback["plugins"][0]["editorfields"][0]["text"] = mark["comment"]
            said["feedback"] = feedback | {
                "plugins": [feedback["plugins"][0], _plugin("feedback_files", mark["files"])]
            }
        return said

    def mod_assign_save_submission(self, who: dict[str, Any], assignmentid: str, plugindata: Any) -> Any:
        number = int(assignmentid)
        one = self.assignment(number)
        warned = recorded("save_submission_after_cutoff")
        if _has_online_text(one) and "onlinetext_editor" not in plugindata:
            raise Refused("dmlwriteexception", "Error writing to database", "dml_write_exception")
        status = self.mod_assign_get_submission_status(who, assignmentid)["lastattempt"]
        draft = self.drafts.get(int(plugindata["files_filemanager"]))
        if not status["canedit"] or not draft:
            return warned
        if "mod_assign_save_submission" not in self.forgetful:
            self.hand_in(number, who["id"], draft, "draft" if one["submissiondrafts"] else "submitted")
        return []

    def hand_in(self, number: int, person: int, files: dict[str, bytes], status: str = "submitted") -> None:
        """Keep a hand-in."""
        kept = copy.deepcopy(recorded("get_submissions")["assignments"][0]["submissions"][0])
        area = f"{18 + number}/assignsubmission_file/submission_files/{person}"
        kept |= {"userid": person, "status": status, "timemodified": int(time.time())}
        kept["plugins"] = [_plugin("submission_files", self._stored(area, files))]
        self.handed_in[number, person] = kept

    def mod_assign_submit_for_grading(
        self, who: dict[str, Any], assignmentid: str, acceptsubmissionstatement: str
    ) -> Any:
        one = self.assignment(int(assignmentid))
        kept = self.handed_in.get((one["id"], who["id"]))
        stated = acceptsubmissionstatement == "1" or not one["requiresubmissionstatement"]
        if not one["submissiondrafts"] or kept is None or not stated:
            return recorded("submit_for_grading_nodrafts")
        kept["status"] = "submitted"
        return []

    def mod_assign_get_submissions(self, who: dict[str, Any], assignmentids: Any) -> Any:
        number = int(assignmentids["0"])
        found = [kept for (assignment, _), kept in self.handed_in.items() if assignment == number]
        return {"assignments": [{"assignmentid": number, "submissions": found}], "warnings": []}

    def mod_assign_get_grades(self, who: dict[str, Any], assignmentids: Any) -> Any:
        number = int(assignmentids["0"])
        model = recorded("get_grades")["assignments"][0]["grades"][0]
        found = [
            model | {"userid": person, "grade": f"{mark['grade']:.5f}"}
            for (assignment, person), mark in self.marks.items()
            if assignment == number
        ]
        if not found:
            warning = {
                "item": "assignment",
                "itemid": number,
                "warningcode": "3",
                "message": "No grades found",
            }
            return {"assignments": [], "warnings": [warning]}
        return {"assignments": [{"assignmentid": number, "grades": found}], "warnings": []}

    def mod_assign_save_grade(self, who: dict[str, Any], **given: Any) -> Any:
        if not _teaches(who):
            raise Refused(
                "nopermissions",
                "Sorry, but you do not currently have permissions to do that (Grade assignment).",
            )
        number, mark = int(given["assignmentid"]), float(given["grade"])
        fits = 0 <= mark <= self.assignment(number)["grade"]
        if fits and "mod_assign_save_grade" not in self.forgetful:
            data = given["plugindata"]
            draft = self.drafts.get(int(data.get("files_filemanager", 0)), {})
            area = f"{18 + number}/assignfeedback_file/feedback_files/{given['userid']}"
            self.marks[number, int(given["userid"])] = {
                "grade": mark,
                "comment": data["assignfeedbackcomments_editor"]["text"],
                "files": self._stored(area, draft),
                "workflow": given["workflowstate"],
            }
        return None  # whatever happened

    def _stored(self, area: str, files: dict[str, bytes]) -> list[dict[str, Any]]:
        listed = []
        for name, data in files.items():
            url = f"https://moodle.example.edu/webservice/pluginfile.php/{area}/{quote(name)}"
            self.files[urlsplit(url).path] = data
            listed.append(
                {
                    "filename": name,
                    "filepath": "/",
                    "filesize": len(data),
                    "fileurl": url,
                    "timemodified": 1795407030,
                }
            )
        return listed

    def _open(self, one: dict[str, Any]) -> bool:
        now = time.time()
        return one["allowsubmissionsfromdate"] <= now and (not one["cutoffdate"] or now <= one["cutoffdate"])

    def upload(self, token: str, files: list[tuple[str, bytes]]) -> Any:
        """The answer to an upload into a new draft area."""
        who = self.who(token)
        if not files:
            return []
        number = next(self._numbers)
        draft = self.drafts.setdefault(number, {})
        model = recorded("upload_two_files")[0]
        listed = []
        for name, data in files:
            if name in draft:
                listed.append(recorded("upload_same_name_again")[0] | {"filename": name})
                continue
            draft[name] = data
            one = {"filename": name, "filesize": len(data), "itemid": number, "userid": str(who["id"])}
            listed.append(model | one)
        return listed


@contextmanager
def running_moodle() -> Iterator[FakeMoodle]:
    """A Moodle that is up."""
    moodle = FakeMoodle()
    thread = threading.Thread(target=moodle.server.serve_forever)
    thread.start()
    try:
        yield moodle
    finally:
        moodle.release.set()
        moodle.server.shutdown()
        thread.join()
        moodle.server.server_close()


def nested(form: list[tuple[str, str]]) -> dict[str, Any]:
    """``a[0][b]=1`` as PHP takes it apart."""
    found: dict[str, Any] = {}
    for name, value in form:
        first, *rest = name.replace("]", "").split("[")
        place, last = found, first
        for step in rest:
            place = place.setdefault(last, {})
            last = step
        place[last] = value
    return found


def _teaches(who: dict[str, Any]) -> bool:
    return who["username"] == "hubservice" or any("teacher" in role["shortname"] for role in who["roles"])


def _has_online_text(one: dict[str, Any]) -> bool:
    return any(c["plugin"] == "onlinetext" and c["name"] == "enabled" for c in one["configs"])


def _plugin(area: str, files: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "file", "name": "File submissions", "fileareas": [{"area": area, "files": files}]}


def _handler(moodle: FakeMoodle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self._ill():
                return
            parts = urlsplit(self.path)
            try:
                moodle.who(dict(parse_qsl(parts.query)).get("token", ""))
            except Refused as refused:
                self._refuse_otherwise(200, refused.code, refused.message)
                return
            data = moodle.files.get(parts.path) or moodle.files.get(unquote(parts.path))
            if data is None:
                self._refuse_otherwise(404, "filenotfound", "Sorry, the requested file could not be found")
                return
            tag = hashlib.sha1(data).hexdigest()
            if moodle.mode == "damaged":
                data = data[:-1] + b"?"
            name = unquote(parts.path.rpartition("/")[2]).encode().decode("latin-1")
            headers = {"Content-Disposition": f'inline; filename="{name}"', "Etag": f'"{tag}"'}
            self._answer(200, data, "text/plain; charset=utf-8", headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self._ill():
                return
            parts = urlsplit(self.path)
            if parts.path == "/login/token.php":
                self._login(dict(parse_qsl(body.decode())))
            elif parts.path == "/webservice/upload.php":
                self._upload(dict(parse_qsl(parts.query)).get("token", ""), body)
            else:
                self._call(parse_qsl(body.decode(), keep_blank_values=True))

        def _call(self, form: list[tuple[str, str]]) -> None:
            given = nested(form)
            token, function = given.pop("wstoken", ""), given.pop("wsfunction", "")
            if given.pop("moodlewsrestformat", "xml") != "json":
                self._answer(200, b"<?xml version='1.0'?><RESPONSE/>", "application/xml")
                return
            try:
                answer = moodle.call(token, function, given)
            except Refused as refused:
                kind = refused.kind if moodle.old else f"core\\exception\\{refused.kind}"
                answer = {"exception": kind, "errorcode": refused.code, "message": refused.message}
            except (TypeError, KeyError):
                kind = "core\\exception\\invalid_parameter_exception"
                message = "Invalid parameter value detected"
                answer = {"exception": kind, "errorcode": "invalidparameter", "message": message}
            self._json(200, answer)

        def _login(self, form: dict[str, str]) -> None:
            if form.get("service") not in ("moodle_mobile_app", "marimo_hub"):
                self._refuse_otherwise(200, "servicenotavailable", "Web service is not available.")
            elif form.get("password") != "right":
                self._refuse_otherwise(200, "invalidlogin", "Invalid login, please try again")
            else:
                self._json(200, {"token": f"TOKEN-{form['username']}", "privatetoken": None})

        def _upload(self, token: str, body: bytes) -> None:
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
            files = [
                (p.get_filename(), p.get_payload(decode=True))
                for p in message.iter_parts()
                if p.get_filename()
            ]
            try:
                answer = moodle.upload(token, files)  # type: ignore[arg-type]
            except Refused as refused:
                self._refuse_otherwise(200, refused.code, refused.message)
                return
            self._answer(200, json.dumps(answer).encode(), "text/plain; charset=utf-8")

        def _ill(self) -> bool:
            """What a Moodle in trouble says instead."""
            if moodle.mode == "maintenance":
                self._answer(503, b"<html>This site is undergoing maintenance</html>", "text/html")
            elif moodle.mode == "html":
                self._answer(200, b"<!DOCTYPE html><html><title>Log in</title></html>", "text/html")
            elif moodle.mode == "off":
                self._answer(403, b"", "text/html; charset=utf-8")
            elif moodle.mode == "empty":
                self._answer(200, b"", "application/json")
            elif moodle.mode == "redirect":
                self._answer(303, b"", "text/html", {"Location": "https://elsewhere.example.edu/"})
            elif moodle.mode == "slow":
                moodle.release.wait(60)
                return True
            else:
                return False
            return True

        def _refuse_otherwise(self, status: int, code: str, message: str) -> None:
            """The second shape of a refusal."""
            rest = {"stacktrace": None, "debuginfo": None, "reproductionlink": None}
            self._json(status, {"error": message, "errorcode": code, **rest})

        def _json(self, status: int, answer: Any) -> None:
            self._answer(status, json.dumps(answer).encode(), "application/json")

        def _answer(
            self, status: int, data: bytes, content_type: str, headers: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": content_type, **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
