"""What people want of Moodle, and that no success is reported which Moodle did not give: ``mograder.moodle.client``."""

from __future__ import annotations

import time

import pytest

from mograder.errors import MoodleFailed, NotFound
from mograder.moodle import client
from mograder.moodle.client import Moodle
from mograder.moodle.wire import Wire, token_for
from tests.support.moodle import COURSE, WEEK, FakeMoodle


def test_assignments_come_with_their_files(teacher: Moodle, student: Moodle) -> None:
    found = teacher.assignments(COURSE)
    assert [one.name for one in found][2] == "HW3 Hidden draft"
    assert [file.name for file in found[0].files] == ["data ä.csv", "hw1.py"]
    assert "HW3 Hidden draft" not in [one.name for one in student.assignments(COURSE)]


def test_a_course_that_moodle_does_not_show_is_an_error_and_not_empty(teacher: Moodle) -> None:
    with pytest.raises(MoodleFailed, match="not enrolled"):
        teacher.assignments(99)


def test_an_assignment_is_found_by_its_beginning_and_else_all_are_named(teacher: Moodle) -> None:
    assert teacher.assignment(COURSE, "HW1").name == "HW1 Root finding"
    with pytest.raises(NotFound, match="HW4 Team"):
        teacher.assignment(COURSE, "HW9")


def test_people_come_in_pages(teacher: Moodle, moodle: FakeMoodle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    people = teacher.people(COURSE)
    assert len(people) == 5
    assert {person.username for person in people} == {"teacher1", ""}  # a teacher sees no other's
    moodle.unseen.add(next(iter(moodle.people)))  # the first page is then not full
    assert len(teacher.people(COURSE)) == 4


def test_what_is_handed_in_is_read_back(student: Moodle, moodle: FakeMoodle) -> None:
    one = student.assignment(COURSE, "HW1")
    kept = student.submit(one, {"hw1.py": b"1", "notes ä.txt": b"2"})
    assert kept.status == "submitted"
    student.submit(one, {"hw1.py": b"3"})
    (file,) = student.standing(one).handed_in.files("submission_files")  # type: ignore[union-attr]
    assert student.read(file) == b"3"


def test_a_yes_that_was_not_kept_is_an_error(student: Moodle, moodle: FakeMoodle) -> None:
    one = student.assignment(COURSE, "HW1")
    student.submit(one, {"hw1.py": b"1"})
    moodle.forgetful.add("mod_assign_save_submission")
    with pytest.raises(MoodleFailed, match="said yes"):
        student.submit(one, {"hw1.py": b"2"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cutoffdate": int(time.time()) - 60}, "closed on"),
        ({"allowsubmissionsfromdate": int(time.time()) + WEEK}, "opens on"),
        ({"configs": []}, "takes no files"),
    ],
)
def test_the_cause_of_a_refusal_is_told_and_nothing_sent(
    student: Moodle, moodle: FakeMoodle, change: dict[str, object], said: str
) -> None:
    moodle.assignment(1).update(change)
    one = student.assignment(COURSE, "HW1")
    with pytest.raises(MoodleFailed, match=said):
        student.submit(one, {"hw1.py": b"1"})
    assert moodle.drafts == {}
    assert moodle.handed_in == {}


def test_a_locked_assignment_is_said_to_be_locked(student: Moodle, moodle: FakeMoodle) -> None:
    moodle.locked.add(1)
    with pytest.raises(MoodleFailed, match="locked"):
        student.submit(student.assignment(COURSE, "HW1"), {"hw1.py": b"1"})


def test_a_draft_is_handed_in_for_good_with_its_statement_once(student: Moodle, moodle: FakeMoodle) -> None:
    one = student.assignment(COURSE, "HW2")
    with pytest.raises(MoodleFailed, match="declaration"):
        student.submit(one, {"hw2.py": b"1"})
    assert student.submit(one, {"hw2.py": b"1"}, final=False).status == "draft"
    assert student.submit(one, {"hw2.py": b"2"}, statement=True).status == "submitted"
    with pytest.raises(MoodleFailed, match="for good already"):
        student.submit(one, {"hw2.py": b"3"}, statement=True)


def test_who_is_granted_more_time_may_hand_in_late(student: Moodle, moodle: FakeMoodle) -> None:
    moodle.assignment(1).update(duedate=int(time.time()) - WEEK, cutoffdate=int(time.time()) - 60)
    one = student.assignment(COURSE, "HW1")
    with pytest.raises(MoodleFailed, match="closed on"):
        student.submit(one, {"hw1.py": b"1"})
    moodle.extensions[1, 5] = int(time.time()) + 60
    assert student.submit(one, {"hw1.py": b"1"}).status == "submitted"


def test_a_team_hands_in_once_and_each_member_sees_it(student: Moodle, moodle: FakeMoodle) -> None:
    one = student.assignment(COURSE, "HW4")
    student.submit(one, {"hw4.py": b"ours"})
    with Wire(moodle.url, "TOKEN-student2") as line:  # of the same group
        mate = Moodle(line)
        standing = mate.standing(one)
        assert standing.handed_in is not None
        (file,) = standing.handed_in.files("submission_files")
        assert mate.read(file) == b"ours"
    with Wire(moodle.url, "TOKEN-student3") as line:
        assert Moodle(line).standing(one).last.team is None
        with pytest.raises(MoodleFailed, match="not on Moodle"):
            Moodle(line).read(file)


def test_more_than_an_assignment_takes_is_refused_before_it_is_sent(
    student: Moodle, moodle: FakeMoodle
) -> None:
    one = student.assignment(COURSE, "HW1")
    with pytest.raises(MoodleFailed, match="takes 5 files, and these are 6"):
        student.submit(one, {f"{number}.py": b"1" for number in range(6)})
    for setting in moodle.assignment(1)["configs"]:
        if setting["name"] == "maxsubmissionsizebytes":
            setting["value"] = str(2**20)
    with pytest.raises(MoodleFailed, match=r"files of up to 1\.0 MB, and big\.bin has 2\.0"):
        student.submit(student.assignment(COURSE, "HW1"), {"big.bin": b"1" * 2**21})
    assert moodle.drafts == {}


def test_what_is_empty_is_an_error_wherever_something_is_read(teacher: Moodle, moodle: FakeMoodle) -> None:
    one = teacher.assignment(COURSE, "HW1")
    moodle.mode = "null"
    for read in (
        teacher.site,
        lambda: teacher.assignments(COURSE),
        lambda: teacher.people(COURSE),
        lambda: teacher.participants(one),
        lambda: teacher.submissions(one),
        lambda: teacher.grades(one),
        lambda: teacher.standing(one),
        lambda: teacher.read(one.files[0]),
        lambda: teacher.submit(one, {"a.py": b"1"}),
        lambda: teacher.grade(one, 5, 1, files={"a": b"1"}),
        lambda: token_for(moodle.url, "student1", "right", "marimo_hub"),
    ):
        with pytest.raises(MoodleFailed):
            read()


def test_a_mark_is_read_back_with_its_comment_and_files(teacher: Moodle, moodle: FakeMoodle) -> None:
    one = teacher.assignment(COURSE, "HW1")
    assert teacher.grade(one, 5, 87.5, comment="a < b\n\nwell done", files={"feedback.html": b"<p>"})
    assert moodle.marks[1, 5]["comment"] == "<p>a &lt; b</p><p>well done</p>"
    assert teacher.grades(one) == {5: 87.5}
    assert teacher.grade(one, 5, 33.333333)  # kept with five decimals
    assert moodle.marks[1, 5]["comment"] == "<p>a &lt; b</p><p>well done</p>"  # what is left out stays
    assert [file["filename"] for file in moodle.marks[1, 5]["files"]] == ["feedback.html"]


@pytest.mark.parametrize(("lost", "said"), [("comment", "the comment"), ("files", "feedback.html")])
def test_a_comment_or_a_file_that_did_not_arrive_is_an_error(
    teacher: Moodle, moodle: FakeMoodle, lost: str, said: str
) -> None:
    one = teacher.assignment(COURSE, "HW1")
    teacher.grade(one, 5, 80, comment="before", files={"feedback.html": b"before"})
    moodle.loses.add(lost)
    with pytest.raises(MoodleFailed, match=f"has the mark, but does not have {said}"):
        teacher.grade(one, 5, 81, comment="well done", files={"feedback.html": b"<p>"})


@pytest.mark.parametrize(("name", "workflow"), [("HW5", ""), ("HW2", "inmarking")])
def test_what_moodle_does_not_show_yet_is_not_said_to_be_there(
    teacher: Moodle, moodle: FakeMoodle, name: str, workflow: str
) -> None:
    """With blind marking, and before marks are released, nobody sees comments."""
    one = teacher.assignment(COURSE, name)
    assert not teacher.grade(one, 5, 80, comment="well done", workflow=workflow)
    assert teacher.grade(one, 6, 80, workflow=workflow)  # a mark alone can be seen
    moodle.forgetful.add("mod_assign_save_grade")
    with pytest.raises(MoodleFailed, match="80 instead of 81"):
        teacher.grade(one, 5, 81, workflow=workflow)


def test_a_scale_and_what_is_not_marked_take_no_points(teacher: Moodle, moodle: FakeMoodle) -> None:
    for grade, said in ((-2, "words of a scale"), (0, "gives no marks")):
        moodle.assignment(1)["grade"] = grade
        with pytest.raises(MoodleFailed, match=said):
            teacher.grade(teacher.assignment(COURSE, "HW1"), 5, 1)


def test_a_course_that_the_account_is_not_in_is_shown_if_its_role_says_so(moodle: FakeMoodle) -> None:
    with Wire(moodle.url, "TOKEN-hubservice") as line:
        assert len(Moodle(line).assignments(COURSE)) == 5
        said = line.call("mod_assign_get_assignments", courseids=[COURSE])  # without our word for it
        assert (said["courses"], said["warnings"][0]["warningcode"]) == ([], "2")
    with Wire(moodle.url, "TOKEN-outsider") as line, pytest.raises(MoodleFailed, match="not enrolled"):
        Moodle(line).assignments(COURSE)


def test_a_mark_that_moodle_would_drop_or_did_drop_is_an_error(teacher: Moodle, moodle: FakeMoodle) -> None:
    one = teacher.assignment(COURSE, "HW1")
    with pytest.raises(MoodleFailed, match="between 0 and 100"):
        teacher.grade(one, 5, 150)
    with pytest.raises(MoodleFailed, match="no state of marking"):
        teacher.grade(one, 5, 50, workflow="nonsense")
    moodle.forgetful.add("mod_assign_save_grade")
    with pytest.raises(MoodleFailed, match="no mark instead of 50"):
        teacher.grade(one, 5, 50)
