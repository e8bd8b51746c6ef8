"""What people want of Moodle, and that no success is reported which Moodle did not give: ``mograder.moodle.client``."""

from __future__ import annotations

import time

import pytest

from mograder.errors import MoodleFailed, NotFound
from mograder.moodle import client
from mograder.moodle.client import Moodle
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


def test_people_come_in_pages(teacher: Moodle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    people = teacher.people(COURSE)
    assert len(people) == 5
    assert {person.username for person in people} == {"teacher1", ""}  # a teacher sees no other's


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


def test_a_mark_is_read_back(teacher: Moodle, moodle: FakeMoodle) -> None:
    one = teacher.assignment(COURSE, "HW1")
    teacher.grade(one, 5, 87.5, comment="a < b\n\nwell done", files={"feedback.html": b"<p>"})
    assert moodle.marks[1, 5]["comment"] == "<p>a &lt; b</p><p>well done</p>"
    assert teacher.grades(one) == {5: 87.5}


def test_a_mark_that_moodle_would_drop_or_did_drop_is_an_error(teacher: Moodle, moodle: FakeMoodle) -> None:
    one = teacher.assignment(COURSE, "HW1")
    with pytest.raises(MoodleFailed, match="between 0 and 100"):
        teacher.grade(one, 5, 150)
    with pytest.raises(MoodleFailed, match="no state of marking"):
        teacher.grade(one, 5, 50, workflow="nonsense")
    moodle.forgetful.add("mod_assign_save_grade")
    with pytest.raises(MoodleFailed, match="no mark instead of 50"):
        teacher.grade(one, 5, 50)
