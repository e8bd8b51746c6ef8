"""Why Moodle will not take something, told before it is sent: Moodle gives one sentence for every cause. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping

from mograder.moodle.answers import Assignment, Standing


def not_open(assignment: Assignment, standing: Standing, now: float) -> str:
    """Why nothing can be handed in, in a sentence; empty if it can."""
    last = standing.last
    if last.locked:
        return "a teacher has locked it."
    if not assignment.has("assignsubmission", "file"):
        return "it takes no files."
    if assignment.opens > now:
        return f"it opens on {_moment(assignment.opens)}."
    end = max(assignment.cutoff, last.extension or 0)
    if assignment.cutoff and end < now:
        return f"it closed on {_moment(end)}."
    if not last.enabled:
        return "hand-ins are closed."
    if not last.can_edit:
        submitted = standing.handed_in is not None and standing.handed_in.status == "submitted"
        return (
            "it was handed in for good already."
            if submitted
            else "Moodle does not let this account change it."
        )
    return ""


def too_much(assignment: Assignment, files: Mapping[str, bytes]) -> str:
    """Why these files are more than it takes; empty if they are not, as far as the assignment itself says."""
    number = assignment.limit("maxfilesubmissions")
    if number and len(files) > number:
        return f"it takes {number} {'file' if number == 1 else 'files'}, and these are {len(files)}."
    size = assignment.limit("maxsubmissionsizebytes")
    large = [name for name, data in files.items() if size and len(data) > size]
    if large:
        return f"it takes files of up to {size / 2**20:.1f} MB, and {large[0]} has {len(files[large[0]]) / 2**20:.1f}."
    return ""


def no_points(assignment: Assignment) -> str:
    """Why no number can be its mark; empty if one can."""
    if assignment.grade < 0:
        return f"{assignment.name} is marked by words of a scale on Moodle, not by points."
    if assignment.grade == 0:
        return f"{assignment.name} gives no marks on Moodle."
    return ""


def no_mark(assignment: Assignment, mark: float) -> str:
    """Why this can not be a mark of it; empty if it can. Moodle says yes to any, and keeps none that does not fit."""
    if reason := no_points(assignment):
        return reason
    if not 0 <= mark <= assignment.grade:
        return f"{mark:g} is not between 0 and {assignment.grade:g}, the most that {assignment.name} gives."
    return ""


def _moment(seconds: float) -> str:
    return time.strftime("%d %B %Y at %H:%M", time.localtime(seconds))
