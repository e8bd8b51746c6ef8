"""What Moodle answers, typed, without what nobody here needs. Times are seconds since the epoch, 0: none."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mograder.errors import MoodleFailed

T = TypeVar("T")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Function(_Answer):
    """One web-service function that a token may call."""

    name: str


class Site(_Answer):
    """``core_webservice_get_site_info``."""

    sitename: str
    userid: int
    fullname: str
    username: str = ""
    release: str = ""
    functions: tuple[Function, ...] = ()
    uploads: bool = Field(True, alias="uploadfiles")
    downloads: bool = Field(True, alias="downloadfiles")


class RemoteFile(_Answer):
    """A file on Moodle. ``path`` begins and ends with a slash; ``size`` None: it was not said."""

    name: str = Field(alias="filename")
    path: str = Field("/", alias="filepath")
    size: int | None = Field(None, alias="filesize")
    url: str = Field(alias="fileurl")

    @property
    def place(self) -> str:
        """Its name, with the directories that it lies in: ``images/plot.png``."""
        return f"{self.path}{self.name}".lstrip("/")


class Setting(_Answer):
    """``configs`` of an assignment: how one of its plugins is set."""

    plugin: str
    subtype: str
    name: str
    value: str = ""


class Assignment(_Answer):
    """An assignment of a course. ``grade`` is the largest mark; below 0: a scale; 0: it is not marked."""

    id: int
    cmid: int
    course: int
    name: str
    duedate: int = 0
    opens: int = Field(0, alias="allowsubmissionsfromdate")
    cutoff: int = Field(0, alias="cutoffdate")
    grade: float = 0
    drafts: bool = Field(False, alias="submissiondrafts")
    statement: bool = Field(False, alias="requiresubmissionstatement")
    workflow: bool = Field(False, alias="markingworkflow")
    blind: bool = Field(False, alias="blindmarking")
    revealed: bool = Field(False, alias="revealidentities")
    files: tuple[RemoteFile, ...] = Field((), alias="introattachments")
    configs: tuple[Setting, ...] = ()

    def has(self, subtype: str, plugin: str) -> bool:
        """Whether a plugin is switched on: ``has("assignsubmission", "file")``."""
        wanted = (subtype, plugin, "enabled", "1")
        return any((c.subtype, c.plugin, c.name, c.value) == wanted for c in self.configs)

    def limit(self, name: str) -> int:
        """A number that bounds what files it takes; 0: none that is known."""
        wanted = ("assignsubmission", "file", name)
        found = (c.value for c in self.configs if (c.subtype, c.plugin, c.name) == wanted)
        return next((int(value) for value in found if value.isascii() and value.isdecimal()), 0)

    def shows_feedback(self, workflow: str) -> bool:
        """Whether Moodle shows a comment at all, with this state of marking: not before everybody may see it."""
        return not (self.blind and not self.revealed) and not (self.workflow and workflow != "released")


class CourseAssignments(_Answer):
    """The assignments of one course."""

    id: int
    assignments: tuple[Assignment, ...]


class Warned(_Answer):
    """What Moodle did not do, although it answered."""

    item: str = ""
    warningcode: str = ""
    message: str = ""


class Assignments(_Answer):
    """``mod_assign_get_assignments``."""

    courses: tuple[CourseAssignments, ...]
    warnings: tuple[Warned, ...] = ()


class Role(_Answer):
    """What somebody is in a course."""

    shortname: str


class Group(_Answer):
    """A group of people in a course."""

    id: int
    name: str = ""


class Person(_Answer):
    """Somebody in a course. A teacher's token sees neither ``username`` nor, as a rule, ``idnumber`` of others."""

    id: int
    fullname: str = ""
    email: str = ""
    username: str = ""
    idnumber: str = ""
    roles: tuple[Role, ...] = ()
    groups: tuple[Group, ...] = ()
    submissionstatus: str = ""
    suspended: bool = False


class FileArea(_Answer):
    """Files of a plugin."""

    area: str
    files: tuple[RemoteFile, ...] = ()


class Text(_Answer):
    """A text of a plugin, as HTML."""

    name: str
    text: str = ""


class Plugin(_Answer):
    """What a part of a submission or of feedback holds."""

    type: str
    fileareas: tuple[FileArea, ...] = ()
    editorfields: tuple[Text, ...] = ()


class _Parts(_Answer):
    plugins: tuple[Plugin, ...] = ()

    def files(self, area: str) -> tuple[RemoteFile, ...]:
        """The files of one area: ``submission_files``, ``feedback_files``."""
        areas = (found for plugin in self.plugins for found in plugin.fileareas if found.area == area)
        return tuple(file for found in areas for file in found.files)

    def text(self, plugin: str) -> str:
        """The first text of a plugin; empty if there is none."""
        return next((f.text for p in self.plugins if p.type == plugin for f in p.editorfields), "")


class Submission(_Parts):
    """What somebody handed in; of a team: ``userid`` 0 and ``groupid``."""

    userid: int = 0
    groupid: int = 0
    attempt: int = Field(0, alias="attemptnumber")
    modified: int = Field(0, alias="timemodified")
    status: str = ""


class Grade(_Answer):
    """A mark. Moodle writes it as text: "87.50000"; not graded is "-1.00000" or empty."""

    userid: int
    attempt: int = Field(0, alias="attemptnumber")
    grade: str = ""

    @property
    def mark(self) -> float | None:
        """The mark as a number; None: there is none."""
        try:
            value = float(self.grade)
        except ValueError:
            return None
        return value if value >= 0 else None


class Feedback(_Parts):
    """What the graders said."""

    grade: Grade | None = None
    gradefordisplay: str = ""


class LastAttempt(_Answer):
    """How a hand-in stands."""

    submission: Submission | None = None
    team: Submission | None = Field(None, alias="teamsubmission")
    enabled: bool = Field(True, alias="submissionsenabled")
    locked: bool = False
    can_edit: bool = Field(False, alias="canedit")
    can_submit: bool = Field(False, alias="cansubmit")
    extension: int | None = Field(None, alias="extensionduedate")


class Standing(_Answer):
    """``mod_assign_get_submission_status``."""

    last: LastAttempt = Field(LastAttempt(), alias="lastattempt")
    feedback: Feedback | None = None

    @property
    def handed_in(self) -> Submission | None:
        """The team's submission, else the person's own."""
        return self.last.team or self.last.submission


def typed(kind: type[T], said: Any, function: str) -> T:
    """``said`` as ``kind``. Raises ``MoodleFailed`` for what does not fit."""
    try:
        return TypeAdapter(kind).validate_python(said)
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise MoodleFailed(
            f"Moodle's answer to {function} is not what it should be ({where or 'all of it'}).",
            tip="try again; if it stays so, ask Moodle's administrator what the log says.",
        ) from error
