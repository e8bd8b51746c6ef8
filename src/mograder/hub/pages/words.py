"""The words of the pages: states, results, times and sizes as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal

from mograder.hub.pages.language import N_, gettext, locale, ngettext
from mograder.hub.visibility import Window

STATES = {
    "not_started": N_("Not started"),
    "uploaded": N_("In progress"),
    "modified": N_("In progress"),
    "changed": N_("Changed since export"),
    "exported": N_("Exported"),
}

VERDICTS = {"success": N_("PASS"), "partial": N_("PARTIAL"), "danger": N_("FAIL"), "warn": N_("WAITING")}

KINDS = {"edit": N_("Editor"), "run": N_("Lecture")}

STEPS = {"waiting": N_("to do"), "running": N_("under way"), "done": N_("done"), "failed": N_("failed")}

REASONS = {
    "download": N_("Replaced by the published version"),
    "reset": N_("Replaced by a reset"),
    "upload": N_("Replaced by an upload"),
    "restore": N_("Replaced by an older version"),
    "update": N_("Replaced by an update"),
    "save": N_("Saved in the editor"),
    "delete": N_("Deleted"),
    "export": N_("Exported"),
}

CHANGES = {
    "changed": N_("changed"),
    "added": N_("added"),
    "removed": N_("removed"),
    "moved": N_("moved"),
    "same": N_("the same"),
}
"""What became of a cell from one version to another."""

ROLES = {"student": N_("Student"), "instructor": N_("Instructor")}

VERDICTS_ON_ISOLATION = {
    "strict": N_("strict"),
    "standard": N_("standard"),
    "degraded": N_("degraded"),
    "refuse": N_("refused"),
    "off": N_("off"),
}

MEANS = (N_("cgroup v2"), N_("cgroup v1"), N_("rlimits and a watchdog"))
"""Of holding a notebook to its limits."""

TYPES = (N_("assignment"), N_("lecture"))

PROBES = {
    "secret": N_("secret"),
    "marimo": N_("marimo"),
    "uv": N_("uv"),
    "sandbox": N_("sandbox"),
    "machine": N_("machine"),
    "kernel": N_("kernel"),
    "bubblewrap": N_("bubblewrap"),
    "user namespaces": N_("user namespaces"),
    "supplementary groups": N_("supplementary groups"),
    "a host user per student": N_("a host user per student"),
    "limits": N_("limits"),
    "containment": N_("containment"),
    "forked sessions": N_("forked sessions"),
    "disk": N_("disk"),
    "private state": N_("private state"),
    "protected links": N_("protected links"),
    "swap": N_("swap"),
    "kernel hardening": N_("kernel hardening"),
    "inotify instances": N_("inotify instances"),
    "login proxy": N_("login proxy"),
    "proxy secret": N_("proxy secret"),
    "host names": N_("host names"),
    "content host": N_("content host"),
    "state": N_("state"),
    "notebooks": N_("notebooks"),
    "releases": N_("releases"),
    "space": N_("space"),
    "published": N_("published"),
}
"""What is looked at on the page about the hub's health."""

YES_OR_NO = {"yes": N_("yes"), "no": N_("no")}

TOKENS = {"in force": N_("in force"), "ended": N_("ended"), "revoked": N_("revoked")}
"""How a bearer token stands."""

LEVELS = {"ok": N_("ok"), "warn": N_("look at it"), "fail": N_("fails")}
"""What a probe of the machine found."""

OUTCOMES = {"done": N_("done"), "refused": N_("refused"), "failed": N_("failed")}
"""What became of a request."""

ENTRANCES = {
    "proxy": N_("login proxy"),
    "dev": N_("guest"),
    "token": N_("token"),
    "cookie": N_("cookie"),
    "content": N_("content host"),
}
"""Through what somebody came in, in a table."""

ACTIONS = {
    "public": N_("public"),
    "use the hub": N_("use the hub"),
    "view work": N_("view work"),
    "change work": N_("change work"),
    "control a session": N_("control a session"),
    "use a session": N_("use a session"),
    "publish": N_("publish"),
    "manage users": N_("manage users"),
    "manage tokens": N_("manage tokens"),
    "see and steer the whole course": N_("see and steer the whole course"),
}
"""What a route lets happen; the values of `mograder.hub.identity.policy.Action`."""

PROBLEMS = {
    400: N_("This can not be used"),
    401: N_("Please sign in"),
    403: N_("This is not yours to open"),
    404: N_("There is nothing here"),
    409: N_("Not possible right now"),
    413: N_("This is too large"),
    422: N_("This makes no sense to the hub"),
    500: N_("Something broke"),
    503: N_("The hub is busy"),
}


def state(file_status: str, exported_before: bool) -> str:
    """The key of `STATES` for the contract's ``file_status``. Raises KeyError for one that is not known."""
    key = "changed" if file_status == "modified" and exported_before else file_status
    STATES[key]  # an unknown status must not become an empty cell
    return key


def reason(word: str) -> str:
    """Why a version was kept; a reason that is not known is shown as it is."""
    return gettext(REASONS[word]) if word in REASONS else word.capitalize()


def verdicts() -> dict[str, str]:
    """`VERDICTS` for scripts, in the language of this request."""
    return {status: gettext(text) for status, text in VERDICTS.items()}


def problem_title(status: int) -> str:
    """A heading for an HTTP status."""
    return PROBLEMS.get(status, PROBLEMS[500] if status >= 500 else PROBLEMS[400])


def span(length: timedelta) -> str:
    """A length of time, never longer than it is: ``3 days``, ``1 hour``, ``under a minute``."""
    whole = _whole(length)
    return gettext("under a minute") if whole is None else _time(whole)


def lasting(seconds: float) -> str:
    """A length of time in seconds, as `span` says it."""
    return span(timedelta(seconds=max(0.0, seconds)))


def time_left(due: datetime, now: datetime) -> str:
    """How far ``due`` is: ``in 3 days`` or ``2 hours ago``."""
    whole, sign = distance(due, now)
    if whole is None:
        return gettext("in under a minute") if sign > 0 else gettext("under a minute ago")
    return _time(whole, sign)


def distance(due: datetime, now: datetime) -> tuple[tuple[int, str] | None, int]:
    """All that `time_left` says: how many of which unit (None: under a minute), and 1 for what is to come, else -1."""
    return (_whole(due - now), 1) if due > now else (_whole(now - due), -1)


def ago(then: datetime, now: datetime) -> str:
    """How long ago ``then`` was; a clock that runs ahead gives ``just now``."""
    whole = _whole(now - then)
    return gettext("just now") if whole is None else _time(whole, -1)


def wait(seconds: float) -> str:
    """An estimate of a wait, rounded up: ``about 2 minutes``."""
    if seconds < 60:
        return gettext("under a minute")
    return gettext("about %(time)s") % {"time": _time((-int(-seconds // 60), "minute"))}


def size(octets: int) -> str:
    """A file's size in decimal units: ``812 bytes``, ``12.3 kB``."""
    if octets < 1000:
        return ngettext("%(num)s byte", "%(num)s bytes", octets) % {"num": octets}
    for unit, power in (("kB", 1e3), ("MB", 1e6)):
        if octets < power * 999.95:
            return f"{_decimal(octets / power)} {unit}"
    return f"{_decimal(octets / 1e9)} GB"


def day(when: datetime) -> str:
    """A date and time in its own zone: ``Fri 27 Nov 2026, 23:59 GMT``."""
    text = format_datetime(when.replace(tzinfo=None), "EEE d MMM yyyy, HH:mm", locale=locale())
    return f"{text} {when:%Z}".rstrip()


def month(when: datetime) -> str:
    """The short name of a month."""
    return str(format_datetime(when.replace(tzinfo=None), "MMM", locale=locale()))


def window(seen: Window) -> str:
    """When students see an item."""
    values = {"zone": seen.zone}
    if seen.begin:
        values["begin"] = day(seen.begin)
    if seen.end:
        values["end"] = day(seen.end)
    if seen.begin and seen.end:
        return gettext("Students see it from %(begin)s until %(end)s (%(zone)s)") % values
    if seen.begin:
        return gettext("Students see it from %(begin)s (%(zone)s)") % values
    if seen.end:
        return gettext("Students see it until %(end)s (%(zone)s)") % values
    return gettext("Everybody sees it")


def moment(when: datetime) -> str:
    """``when`` for machines, to the minute: ``2026-11-27T23:59Z``."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def outcome(passed: int, total: int) -> str:
    """The heading of a validation: ``3 of 5 checks pass``."""
    if total == 0:
        return gettext("This notebook has no checks")
    text = ngettext("%(passed)s of %(num)s check passes", "%(passed)s of %(num)s checks pass", total)
    return text % {"passed": passed, "num": total}


def _whole(length: timedelta) -> tuple[int, str] | None:
    """The largest unit that fits, and how often; None for less than a minute."""
    seconds = int(length.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return seconds // size, unit
    return None


def _time(whole: tuple[int, str], sign: int = 0) -> str:
    """``3 days``; with a sign ``in 3 days`` or ``3 days ago``."""
    number, unit = whole
    length = timedelta(**{f"{unit}s": number}) * (sign or 1)
    never = 1e12  # of the unit that is asked for, however many
    return format_timedelta(
        length,
        granularity=unit,  # type: ignore[arg-type]
        threshold=never,
        add_direction=bool(sign),
        locale=locale(),
    )


def _decimal(number: float) -> str:
    return str(format_decimal(number, "0.0", locale=locale()))
