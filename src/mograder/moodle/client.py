"""What people want of Moodle, done and looked at again: Moodle says yes to much that it then does not do."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping

from mograder.errors import MoodleFailed, NotFound
from mograder.moodle import match, reasons, words
from mograder.moodle.answers import (
    Assignment,
    Assignments,
    Feedback,
    Grade,
    Person,
    RemoteFile,
    Site,
    Standing,
    Submission,
    Warned,
    typed,
)
from mograder.moodle.wire import Wire

PAGE = 500
"""People asked for at once."""

_NEXT_ATTEMPT = -1  # "the latest", in Moodle's words
_AS_IT_IS = 0  # no draft area: the files that are there stay
_ROUNDED = 1.01e-5  # Moodle keeps five decimals

WORKFLOW = ("notmarked", "inmarking", "readyforreview", "inreview", "readyforrelease", "released")
"""States of marking. Moodle stores any other word, too, and then shows the mark to nobody."""


class Moodle:
    """A Moodle as the owner of a token sees it. Every method raises ``MoodleFailed``."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @property
    def url(self) -> str:
        """Moodle's front page, without a final slash."""
        return self._wire.url

    def site(self) -> Site:
        """Who the token belongs to, and what it may call."""
        return typed(Site, self._wire.call("core_webservice_get_site_info"), "the greeting")

    def assignments(self, course: int) -> tuple[Assignment, ...]:
        """The assignments of a course, hidden ones too where the account may see them."""
        said = self._wire.call(
            "mod_assign_get_assignments", courseids=[course], includenotenrolledcourses=True
        )
        found = typed(Assignments, said, "the list of assignments")
        if not found.courses:
            why = found.warnings[0].message if found.warnings else "it shows no such course to this account."
            raise MoodleFailed(
                f"Moodle gives no assignments of course {course}: {why}",
                tip="see whether that is the course's number; mograder moodle login takes another account.",
            )
        return tuple(a for listed in found.courses if listed.id == course for a in listed.assignments)

    def assignment(self, course: int, wanted: str) -> Assignment:
        """The assignment that an item's name or Moodle's own means. Raises NotFound with what there is."""
        found = self.assignments(course)
        number = match.find(wanted, [a.name for a in found])
        if number is None:
            listed = ", ".join(f"“{a.name}”" for a in found) or "none"
            raise NotFound(
                f'No assignment on Moodle fits "{wanted}". There: {listed}.', tip="--moodle-assignment NAME"
            )
        return found[number]

    def people(self, course: int) -> tuple[Person, ...]:
        """Everybody in a course; without those who are suspended there where the account may know."""
        try:
            return self._people(course, [{"name": "onlyactive", "value": 1}])
        except MoodleFailed as refused:
            if refused.code not in ("nopermissions", "nopermission"):
                raise
        return self._people(course, [])

    def _people(self, course: int, which: list[dict[str, object]]) -> tuple[Person, ...]:
        found: dict[int, Person] = {}
        for begin in itertools.count(0, PAGE):
            page_of = {"limitfrom": begin, "limitnumber": PAGE}
            options = [*which, *({"name": name, "value": value} for name, value in page_of.items())]
            said = self._wire.call("core_enrol_get_enrolled_users", courseid=course, options=options)
            page = typed(tuple[Person, ...], said, "the class list")
            # A page that is not full need not be the last: whom the account may not see is taken out of it.
            if not {person.id for person in page} - found.keys():
                break
            found |= {person.id: person for person in page}
        return tuple(found.values())

    def participants(self, assignment: Assignment) -> tuple[Person, ...]:
        """Who may hand in. With blind marking their names are numbers; the ids are real."""
        said = self._wire.call("mod_assign_list_participants", assignid=assignment.id, groupid=0, filter="")
        return typed(tuple[Person, ...], said, "the list of participants")

    def standing(self, assignment: Assignment, person: int | None = None) -> Standing:
        """How somebody stands; None: the token's owner."""
        said = self._wire.call("mod_assign_get_submission_status", assignid=assignment.id, userid=person)
        return typed(Standing, said, "the state of the hand-in")

    def submissions(self, assignment: Assignment) -> tuple[Submission, ...]:
        """Everybody's latest hand-in."""
        said = self._wire.call("mod_assign_get_submissions", assignmentids=[assignment.id])
        listed = _of_one(said, "submissions")
        latest: dict[tuple[int, int], Submission] = {}
        for one in typed(tuple[Submission, ...], listed, "the list of hand-ins"):
            key = (one.userid, one.groupid)
            if key not in latest or one.attempt >= latest[key].attempt:
                latest[key] = one
        return tuple(latest.values())

    def grades(self, assignment: Assignment) -> dict[int, float | None]:
        """The mark of the latest attempt, by Moodle's number of a person."""
        said = self._wire.call("mod_assign_get_grades", assignmentids=[assignment.id])
        found = typed(tuple[Grade, ...], _of_one(said, "grades"), "the list of marks")
        return {one.userid: one.mark for one in sorted(found, key=lambda one: one.attempt)}

    def read(self, file: RemoteFile) -> bytes:
        """A file's content, whole."""
        return self._wire.download(file.url, file.size)

    def submit(
        self,
        assignment: Assignment,
        files: Mapping[str, bytes],
        *,
        final: bool = True,
        statement: bool = False,
    ) -> Submission:
        """Hand in exactly ``files`` (what was there is replaced), and read them back.

        ``final``: where Moodle keeps drafts, hand in for good; ``statement``: the declaration that it then may want is
        made. Returns what Moodle has now.
        """
        before = self.standing(assignment)
        if reason := reasons.not_open(assignment, before, time.time()) or reasons.too_much(assignment, files):
            raise MoodleFailed(f"{assignment.name} can not be handed in: {reason} Nothing was sent.")
        final = final and assignment.drafts
        if final and assignment.statement and not statement:
            raise MoodleFailed(
                f"{assignment.name} wants a declaration that this is your own work. Nothing was sent.",
                tip="--accept-statement makes it; --draft hands in a draft.",
            )
        content: dict[str, object] = {"files_filemanager": self._wire.upload(files)}
        if assignment.has("assignsubmission", "onlinetext"):  # without it Moodle fails on its database
            text = before.handed_in.text("onlinetext") if before.handed_in else ""
            content["onlinetext_editor"] = {"text": text, "format": 1, "itemid": 0}
        said = self._wire.call("mod_assign_save_submission", assignmentid=assignment.id, plugindata=content)
        self._unless_warned(said, assignment, "did not keep the hand-in")
        if final:
            said = self._wire.call(
                "mod_assign_submit_for_grading",
                assignmentid=assignment.id,
                acceptsubmissionstatement=statement,
            )
            self._unless_warned(said, assignment, "kept a draft, but did not take it for good")
        return self._arrived(assignment, files, final)

    def grade(
        self,
        assignment: Assignment,
        person: int,
        mark: float,
        *,
        comment: str = "",
        files: Mapping[str, bytes] | None = None,
        workflow: str = "",
    ) -> bool:
        """Give a mark with a comment (plain text) and files, and read back what Moodle has then.

        Without a comment or files those that are there stay. False: the mark is there, and whether the comment and the
        files are is not to be seen yet (`Assignment.shows_feedback`).
        ``person`` must be one of `participants`: Moodle stores marks of strangers without a word.
        """
        if reason := reasons.no_mark(assignment, mark):
            raise MoodleFailed(reason)
        if workflow and workflow not in WORKFLOW:
            raise MoodleFailed(f'"{workflow}" is no state of marking.', tip=f"one of {', '.join(WORKFLOW)}.")
        text = words.as_html(comment)
        content: dict[str, object] = {}
        if assignment.has("assignfeedback", "comments"):
            text = text or self._comment(assignment, person)
            content["assignfeedbackcomments_editor"] = {"text": text, "format": 1}
        elif comment:
            raise MoodleFailed(
                f"{assignment.name} takes no comments.", tip="switch feedback comments on there."
            )
        if assignment.has("assignfeedback", "file"):
            content["files_filemanager"] = self._wire.upload(files) if files else _AS_IT_IS
        elif files:
            raise MoodleFailed(f"{assignment.name} takes no feedback files.", tip="switch them on there.")
        self._wire.call(
            "mod_assign_save_grade",
            assignmentid=assignment.id,
            userid=person,
            grade=mark,
            attemptnumber=_NEXT_ATTEMPT,
            addattempt=False,
            workflowstate=workflow,
            applytoall=False,
            plugindata=content,
        )
        return self._given(assignment, person, mark, text, files or {}, workflow)

    def _comment(self, assignment: Assignment, person: int) -> str:
        given = self.standing(assignment, person).feedback
        return given.text("comments") if given else ""

    def _given(
        self,
        assignment: Assignment,
        person: int,
        mark: float,
        text: str,
        files: Mapping[str, bytes],
        workflow: str,
    ) -> bool:
        given = self.standing(assignment, person).feedback
        grade = given.grade if given else None
        stored = grade.mark if grade else self.grades(assignment).get(person)
        if stored is None or abs(stored - mark) > _ROUNDED:
            now = "no mark" if stored is None else f"{stored:g}"
            raise MoodleFailed(f"Moodle answered, but has {now} instead of {mark:g}.")
        if given is None and not assignment.shows_feedback(workflow):
            return not text and not files
        given = given or Feedback()
        there = {file.place: file for file in given.files("feedback_files")}
        lacking = [name for name in files if name not in there or self.read(there[name]) != files[name]]
        if not words.same(given.text("comments"), text):
            lacking.insert(0, "the comment")
        if lacking:
            raise MoodleFailed(
                f"Moodle has the mark, but does not have {', '.join(lacking)} as it was sent.",
                tip="look at it in a browser.",
            )
        return True

    def _unless_warned(self, said: object, assignment: Assignment, what: str) -> None:
        warned = typed(tuple[Warned, ...], said or [], "the hand-in")
        if warned:
            # What Moodle says ("the due date has passed") is the same for every cause.
            reason = reasons.not_open(assignment, self.standing(assignment), time.time())
            raise MoodleFailed(f"Moodle {what}: {reason or _words(warned[0])}", code=warned[0].warningcode)

    def _arrived(self, assignment: Assignment, files: Mapping[str, bytes], final: bool) -> Submission:
        kept = self.standing(assignment).handed_in
        there = {file.place: file for file in kept.files("submission_files")} if kept else {}
        differing = [name for name in files if name not in there or self.read(there[name]) != files[name]]
        differing += [name for name in there if name not in files]
        if kept is None or differing or (final and kept.status != "submitted"):
            raise MoodleFailed(
                f"Moodle said yes, but does not have {', '.join(differing) or 'the hand-in'} as it was sent.",
                tip="look at the assignment in a browser before the due date.",
            )
        return kept


def _words(warned: Warned) -> str:
    return (
        f"{warned.message} ({warned.item})"
        if warned.message and warned.item
        else warned.message or warned.item
    )


def _of_one(said: object, key: str) -> object:
    """``[key]`` of the one assignment that was asked for; Moodle leaves out an assignment that has none."""
    if not isinstance(said, dict) or not isinstance(said.get("assignments"), list):
        raise MoodleFailed(f"Moodle's answer is not what it should be ({key}).")
    if said["assignments"]:
        return said["assignments"][0].get(key, [])
    warnings = typed(tuple[Warned, ...], said.get("warnings") or [], key)
    if warnings and warnings[0].warningcode != "3":  # 3: there are none
        raise MoodleFailed(f"Moodle gives no {key}: {warnings[0].message}", code=warnings[0].warningcode)
    return []
