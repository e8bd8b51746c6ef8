"""A Moodle over HTTP that answers as the recorded one did (``tests/moodle/recorded``), mistakes included.

It keeps what is sent to it: drafts, hand-ins, marks. ``mode`` makes it ill.
"""

from __future__ import annotations

import copy
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tests.support.moodle_http import Mode, Refused, handler, nested

__all__ = ["COURSE", "WEEK", "FakeMoodle", "Mode", "Refused", "nested", "recorded", "running_moodle"]

RECORDED = Path(__file__).parents[1] / "moodle" / "recorded"
COURSE = 2
WEEK = 7 * 86400


def recorded(name: str) -> Any:
    """The JSON of a recorded answer."""
    return json.loads((RECORDED / f"{name}.json").read_text())["response"]["json"]


class FakeMoodle:
    """The server and what it keeps.

    Tokens are ``TOKEN-`` and a name; ``teacher1`` teaches, ``hubservice`` is in no course and sees all by its role,
    ``outsider`` is in no course and sees nothing. HW3 is hidden, HW4 for teams, HW5 marked blind.
    """

    def __init__(self) -> None:
        self.mode: Mode = "ok"
        self.old = False  # 4.4 instead of 5.1
        self.forgetful: set[str] = set()  # functions that say yes and do nothing
        self.loses: set[str] = set()  # of what comes with a mark: "comment", "files"
        self.not_in_service: set[str] = set()
        self.unseen: set[int] = set()  # people that nobody is shown: pages are cut before they are taken out
        self.hidden = {3}
        self.extensions: dict[tuple[int, int], int] = {}  # of an assignment, for a person: until when
        self.max_upload = recorded("site_info_teacher")["usermaxuploadfilesize"]
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.release = threading.Event()  # ends the waiting of "slow"
        self.files: dict[str, bytes] = {}
        self.drafts: dict[int, dict[str, bytes]] = {}
        self.handed_in: dict[tuple[int, int], dict[str, Any]] = {}
        self.marks: dict[tuple[int, int], dict[str, Any]] = {}
        self.locked: set[int] = set()
        self._numbers = itertools.count(900_000_001)
        self.people = {person["id"]: person for person in recorded("svc_enrolled_users")}
        for person in recorded("list_participants"):
            self.people[person["id"]]["groups"] = person["groups"]
        self.assignments = recorded("assignments_teacher")["courses"][0]["assignments"]
        now = int(time.time())
        for one in self.assignments:
            one.update(allowsubmissionsfromdate=now - WEEK, duedate=now + WEEK, cutoffdate=now + 2 * WEEK)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
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
            folders, _, last = name.rpartition("/")
            path = f"/{folders}/" if folders else "/"
            file = model | {"filename": last, "filepath": path, "fileurl": where + quote(name)}
            self._attach(file, data)
            listed.append(file)
        self.assignment(number)["introattachments"] = listed

    def _attach(self, file: dict[str, Any], data: bytes) -> None:
        # Its own idea of its address is another than the one that it is reached by.
        file["filesize"] = len(data)
        self.files[unquote(urlsplit(file["fileurl"]).path)] = data

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
        if name in (elsewhere := {"hubservice": 8, "outsider": 9}):
            return {"id": elsewhere[name], "username": name, "fullname": name.title(), "roles": []}
        found = [p for p in self.people.values() if token.startswith("TOKEN-") and p["username"] == name]
        if not found:
            raise Refused("invalidtoken", "Invalid token - token not found")
        return found[0]

    def file(self, token: str, path: str) -> bytes | None:
        """What ``webservice/pluginfile.php`` gives; None: there is no such file for this person."""
        if not token:
            raise Refused("missingparam", "A required parameter (token) was missing")
        who = self.who(token)
        _, _, _, context, component, _, owner, *_ = [*path.split("/"), *[""] * 8]
        hidden = int(context or 0) - 18 in self.hidden and not _teaches(who)
        if hidden or not self._enters(who):
            raise Refused("requireloginerror", "Course or activity not accessible.")
        own = {str(who["id"]), f"{-self._team(who)}"}
        if component.startswith("assign") and not _teaches(who) and owner not in own:
            return None
        return self.files.get(path)

    def _enters(self, who: dict[str, Any]) -> bool:
        return who["id"] in self.people or who["username"] == "hubservice"

    def _team(self, who: dict[str, Any]) -> int:
        """The group that somebody hands in with: their only one, else the default group."""
        groups = who.get("groups", [])
        return int(groups[0]["id"]) if len(groups) == 1 else 0

    def core_webservice_get_site_info(self, who: dict[str, Any]) -> Any:
        info = recorded("site_info_teacher")
        info["functions"] = [f for f in info["functions"] if f["name"] not in self.not_in_service]
        return info | {"userid": who["id"], "username": who["username"], "fullname": who["fullname"]}

    def mod_assign_get_assignments(
        self, who: dict[str, Any], courseids: Any = (), includenotenrolledcourses: str = "0"
    ) -> Any:
        elsewhere = who["id"] not in self.people and includenotenrolledcourses != "1"
        if courseids["0"] != str(COURSE) or elsewhere or not self._enters(who):
            return recorded("assignments_not_enrolled")
        course = recorded("assignments_teacher")["courses"][0]
        shown = [a for a in self.assignments if _teaches(who) or a["id"] not in self.hidden]
        warning = recorded("assignments_student")["warnings"][0]
        warned = [warning | {"itemid": a["cmid"]} for a in self.assignments if a not in shown]
        return {"courses": [course | {"assignments": shown}], "warnings": warned}

    def core_enrol_get_enrolled_users(self, who: dict[str, Any], courseid: str, options: Any = ()) -> Any:
        if not self._enters(who):
            raise Refused(*_refusal("enrolled_users_not_enrolled"))
        wanted = {o["name"]: int(o["value"]) for o in options.values()} if options else {}
        if "onlyactive" in wanted and who["username"] != "hubservice":
            raise Refused("nopermissions", "Sorry, but you do not currently have permissions to do that.")
        people = list(self.people.values())
        begin = wanted.get("limitfrom", 0)
        page = people[begin : begin + wanted.get("limitnumber", len(people))]
        return [self._seen(p, who) for p in page if p["id"] not in self.unseen]

    def mod_assign_list_participants(
        self, who: dict[str, Any], assignid: str, groupid: str, filter: str
    ) -> Any:
        if not _teaches(who):
            raise Refused(*_refusal("list_participants_student"))
        number = int(assignid)
        if self._is_blind(number):
            return recorded("list_participants_blind")
        extra = recorded("list_participants")[0]
        return [
            extra | self._seen(p, who) | {"submitted": (number, p["id"]) in self.handed_in}
            for p in self.people.values()
            if not _teaches(p)
        ]

    def _is_blind(self, number: int) -> bool:
        one = self.assignment(number)
        return bool(one["blindmarking"]) and not one["revealidentities"]

    def _seen(self, person: dict[str, Any], who: dict[str, Any]) -> dict[str, Any]:
        """A teacher's token shows neither user names nor ID numbers of others."""
        if who["username"] == "hubservice" or who["id"] == person["id"]:
            return dict(person)
        return {k: v for k, v in person.items() if k not in ("username", "idnumber", "department")}

    def mod_assign_get_submission_status(
        self, who: dict[str, Any], assignid: str, userid: str | None = None
    ) -> Any:
        number = int(assignid)
        one = self.assignment(number)
        whose = who if userid is None else self.people.get(int(userid), {"id": int(userid)})
        if whose["id"] != who["id"] and not _teaches(who):
            raise Refused("nopermissions", "Sorry, but you do not currently have permissions to do that.")
        team = one["teamsubmission"]
        said = recorded("submission_status_team_other_member" if team else "submission_status_before")
        last = said["lastattempt"]
        kept = self.handed_in.get((number, -self._team(whose) if team else whose["id"]))
        last["locked"] = number in self.locked
        last["extensionduedate"] = self.extensions.get((number, whose["id"]), 0)
        final = bool(one["submissiondrafts"]) and kept is not None and kept["status"] == "submitted"
        may = self._open(one, last["extensionduedate"]) and not final and not last["locked"]
        last["canedit"] = may and whose is who
        last.pop("teamsubmission", None)
        if kept is not None:
            last["teamsubmission" if team else "submission"] = kept
        mark = self.marks.get((number, whose["id"]))
        if mark is not None and not self._is_blind(number) and mark["workflow"] in ("", "released"):
            feedback = recorded("submission_status_graded")["feedback"]
            feedback["grade"] |= {"userid": whose["id"], "grade": f"{mark['grade']:.5f}"}
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
        """Keep a hand-in: of a person, or where teams hand in of that person's team."""
        team = self.assignment(number)["teamsubmission"]
        group = self._team(self.people[person]) if team else 0
        key = -group if team else person
        kept = copy.deepcopy(recorded("get_submissions")["assignments"][0]["submissions"][0])
        area = f"{18 + number}/assignsubmission_file/submission_files/{key}"
        kept |= {"userid": 0 if team else person, "groupid": group}
        kept |= {"status": status, "timemodified": int(time.time())}
        kept["plugins"] = [_plugin("submission_files", self._stored(area, files))]
        self.handed_in[number, key] = kept

    def mod_assign_submit_for_grading(
        self, who: dict[str, Any], assignmentid: str, acceptsubmissionstatement: str
    ) -> Any:
        one = self.assignment(int(assignmentid))
        key = -self._team(who) if one["teamsubmission"] else who["id"]
        kept = self.handed_in.get((one["id"], key))
        stated = acceptsubmissionstatement == "1" or not one["requiresubmissionstatement"]
        if not one["submissiondrafts"] or kept is None or not stated:
            return recorded("submit_for_grading_nodrafts")
        kept["status"] = "submitted"
        return []

    def mod_assign_get_submissions(self, who: dict[str, Any], assignmentids: Any) -> Any:
        number = int(assignmentids["0"])
        if not _teaches(who):
            return _no_rights(number)
        found = [kept for (assignment, _), kept in self.handed_in.items() if assignment == number]
        return {"assignments": [{"assignmentid": number, "submissions": found}], "warnings": []}

    def mod_assign_get_grades(self, who: dict[str, Any], assignmentids: Any) -> Any:
        number = int(assignmentids["0"])
        if not _teaches(who):
            return _no_rights(number)
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
            raise Refused(*_refusal("save_grade_student"))
        number, mark = int(given["assignmentid"]), float(given["grade"])
        fits = 0 <= mark <= self.assignment(number)["grade"]
        if fits and "mod_assign_save_grade" not in self.forgetful:
            data = given["plugindata"]
            key = number, int(given["userid"])  # whether or not that person is in the course
            new = {"grade": mark, "workflow": given["workflowstate"]}
            if "comment" not in self.loses:
                new["comment"] = data["assignfeedbackcomments_editor"]["text"]
            draft = int(data["files_filemanager"])
            if draft and "files" not in self.loses:
                area = f"{18 + number}/assignfeedback_file/feedback_files/{given['userid']}"
                new["files"] = self._stored(area, self.drafts[draft])
            self.marks[key] = {"comment": "", "files": []} | self.marks.get(key, {}) | new
        return None  # whatever happened

    def _stored(self, area: str, files: dict[str, bytes]) -> list[dict[str, Any]]:
        listed = []
        for name, data in files.items():
            folders, _, last = name.rpartition("/")
            url = f"https://moodle.example.edu/webservice/pluginfile.php/{area}/{quote(name)}"
            self.files[unquote(urlsplit(url).path)] = data
            listed.append(
                {
                    "filename": last,
                    "filepath": f"/{folders}/" if folders else "/",
                    "filesize": len(data),
                    "fileurl": url,
                    "timemodified": 1795407030,
                }
            )
        return listed

    def _open(self, one: dict[str, Any], extension: int) -> bool:
        now = time.time()
        end = max(one["cutoffdate"], extension)
        return one["allowsubmissionsfromdate"] <= now and (not one["cutoffdate"] or now <= end)

    def upload(self, token: str, files: list[tuple[str, bytes]]) -> Any:
        """The answer to an upload into a new draft area."""
        who = self.who(token)
        if not files:
            return []
        if any(len(data) > self.max_upload for _, data in files):
            raise Refused(
                "upload_error_ini_size", "The file is larger than the maximum size allowed."
            )  # as if PHP did
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


def _refusal(name: str) -> tuple[str, str, str]:
    """A recorded refusal, to be raised."""
    said = recorded(name)
    return said["errorcode"], said["message"], said["exception"].rpartition("\\")[2]


def _no_rights(number: int) -> Any:
    said = recorded("get_submissions_student")
    said["warnings"][0]["itemid"] = number
    return said


def _teaches(who: dict[str, Any]) -> bool:
    return who["username"] == "hubservice" or any("teacher" in role["shortname"] for role in who["roles"])


def _has_online_text(one: dict[str, Any]) -> bool:
    return any(c["plugin"] == "onlinetext" and c["name"] == "enabled" for c in one["configs"])


def _plugin(area: str, files: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "file", "name": "File submissions", "fileareas": [{"area": area, "files": files}]}
