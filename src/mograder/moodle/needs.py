"""Which web-service functions each command needs, to tell at once what a token's service lacks. Pure."""

from __future__ import annotations

from mograder.moodle.answers import Site

_LIST = "mod_assign_get_assignments"
_STANDING = "mod_assign_get_submission_status"
_PEOPLE = "mod_assign_list_participants"
_HAND_INS = "mod_assign_get_submissions"
_MARKS = "mod_assign_get_grades"

FUNCTIONS = {
    "sync": (_LIST,),
    "fetch": (_LIST,),
    "submit": (_LIST, _STANDING, "mod_assign_save_submission", "mod_assign_submit_for_grading"),
    "feedback": (_LIST, _STANDING),
    "upload": (_LIST,),
    "sync-users": ("core_enrol_get_enrolled_users",),
    "fetch-submissions": (_LIST, _PEOPLE, _HAND_INS),
    "upload-feedback": (_LIST, _PEOPLE, _STANDING, _MARKS, "mod_assign_save_grade"),
    "export": (_LIST, _PEOPLE, _HAND_INS, _MARKS),
}
"""By command of ``mograder moodle``."""

_SENDING = ("submit", "upload-feedback")
_READING = ("fetch", "submit", "feedback", "fetch-submissions", "upload-feedback")


def missing(site: Site) -> list[str]:
    """What the token's service lacks, in words: each function with the commands that will not work without."""
    there = {function.name for function in site.functions}
    lacking: dict[str, list[str]] = {}
    for command, functions in FUNCTIONS.items():
        for function in functions:
            if function not in there:
                lacking.setdefault(function, []).append(command)
    if not site.downloads:
        lacking["downloading files"] = [*_READING]
    if not site.uploads:
        lacking["uploading files"] = [*_SENDING]
    return [f"{what} (for {', '.join(commands)})" for what, commands in lacking.items()]
