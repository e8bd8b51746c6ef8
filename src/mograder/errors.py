"""The error tree: what can go wrong, said to the person who meets it.

    MograderError                 anything we expected might happen
    ├── ConfigError               mograder.toml is missing, broken or misspelt
    ├── NameRefused        422    a name from outside that can not be a name of ours
    ├── Malformed          422    a request or a file that makes no sense
    │   ├── NotANotebook   400    the upload is not a marimo notebook
    │   ├── UnsafeNotebook 400    the safety scan found something
    │   ├── NotALecture    400    an assignment was asked to run as a lecture
    │   ├── MarkerError           solution or test markers that do not pair up
    │   └── NotProven             a solution that fails its own checks, or a release that does not
    ├── NotSignedIn        401
    ├── Forbidden          403
    ├── NotFound           404
    ├── Conflict           409
    ├── TooLarge           413
    ├── Unavailable        503    try again later (full, stopping, environment not ready)
    ├── SessionFailed      500    a notebook session did not come up, or died
    ├── MoodleFailed       502    Moodle refused, is away, or did not do what it was asked
    ├── EnvironmentFailed  500    the packages of a notebook can not be had
    │   ├── UnusablePackages 422  what its header asks for does not exist, or does not work
    │   └── IndexUnreachable 503  nobody knows: the index does not answer (it is Unavailable, too)
    ├── UnsafeFile         409    something in a workspace that is not the plain file it should be
    └── SandboxError       500    isolation could not be had

A message names the thing, the reason and the way on; ``tip`` holds the way on where it is a command. What differs
from time to time is given by name, ``NotFound("There is no file {name}.", name=shown(name))``: so a page can say it
in its reader's language (`mograder.sentences`), and everything else says it in English.
The HTTP status is part of the meaning, so it lives here; the CLI prints the sentence and exits with 1.
"""

from __future__ import annotations

import errno
from typing import Any, ClassVar

from mograder.sentences import Sentence


class MograderError(Exception):
    """Base of every error that a person may read. ``str(error)`` is the whole sentence, tip included.

    ``values`` are filled into ``message`` and ``tip``.
    """

    status: ClassVar[int] = 500

    def __init__(self, message: str, *, tip: str | None = None, **values: Any) -> None:
        self.message = _sentence(message, values)
        self.tip = tip and _sentence(tip, values)
        super().__init__(str(self.message))

    @property
    def whole(self) -> str:
        """The message and the tip, as one sentence that can be told in another language."""
        if not self.tip:
            return self.message
        return Sentence("{message} Tip: {tip}", message=self.message, tip=self.tip)

    def __str__(self) -> str:
        return str(self.whole)


def _sentence(text: str, values: dict[str, Any]) -> str:
    """``text`` with what it names of ``values``; one that is a sentence already stays what it is."""
    return text if isinstance(text, Sentence) else Sentence(text, **values)


class ConfigError(MograderError):
    """The course's configuration can not be used."""


class NameRefused(MograderError):
    """A name from outside is not a legal name."""

    status = 422


class Malformed(MograderError):
    """A request or a file that makes no sense."""

    status = 422


class NotANotebook(Malformed):
    """A file that should be a marimo notebook and is not."""

    status = 400


class UnsafeNotebook(Malformed):
    """A notebook that imports or calls what has no place in coursework: ``findings``, with lines."""

    status = 400

    def __init__(
        self, message: str, *, findings: list[str] | None = None, tip: str | None = None, **values: Any
    ) -> None:
        super().__init__(message, tip=tip, **values)
        self.findings = findings or []


class NotALecture(Malformed):
    """An assignment was asked to run as a lecture."""

    status = 400


class MarkerError(Malformed):
    """Markers in a source notebook that do not pair up; the message starts with ``file:line``."""


class NotProven(Malformed):
    """A release that is not fit to be given out: ``problems`` are sentences, with ``file:line``."""

    def __init__(
        self, message: str, *, problems: tuple[str, ...] = (), tip: str | None = None, **values: Any
    ) -> None:
        super().__init__(message, tip=tip, **values)
        self.problems = problems


class NotSignedIn(MograderError):
    """Nobody is asking."""

    status = 401


class Forbidden(MograderError):
    """This person may not do this."""

    status = 403


class NotFound(MograderError):
    """There is no such thing (or the person may not know that there is)."""

    status = 404


class Conflict(MograderError):
    """The thing is not in a state in which this can be done."""

    status = 409


class TooLarge(MograderError):
    """More bytes than are accepted here."""

    status = 413


class Unavailable(MograderError):
    """Not now. ``retry_after`` is in seconds."""

    status = 503

    def __init__(self, message: str, *, retry_after: int = 5, tip: str | None = None, **values: Any) -> None:
        super().__init__(message, tip=tip, **values)
        self.retry_after = retry_after


class SessionFailed(MograderError):
    """A session did not come up, or ended by itself. ``log_tail`` holds the last lines of its output."""

    def __init__(self, message: str, *, log_tail: str = "", tip: str | None = None, **values: Any) -> None:
        super().__init__(message, tip=tip, **values)
        self.log_tail = log_tail


class MoodleFailed(MograderError):
    """Moodle refused, can not be reached, or did not do what it was asked. ``code`` is Moodle's own word, if any."""

    status = 502

    def __init__(self, message: str, *, code: str = "", tip: str | None = None, **values: Any) -> None:
        super().__init__(message, tip=tip, **values)
        self.code = code


class EnvironmentFailed(MograderError):
    """The packages that a notebook asks for can not be had."""


class UnusablePackages(EnvironmentFailed):
    """What a notebook's header asks for does not exist, contradicts itself, or does not work."""

    status = 422


class IndexUnreachable(EnvironmentFailed, Unavailable):
    """The index of packages does not answer, so nobody knows whether they can be had."""

    status = 503


class UnsafeFile(MograderError):
    """Something in a workspace is not the plain, small, owned file that it should be."""

    status = 409


class SandboxError(MograderError):
    """A sandbox could not be made, joined or limited."""


def exhausted(error: BaseException) -> Unavailable | None:
    """What to say if the machine has run out of something that others will give back; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return None
    return Unavailable(
        "The hub has too much to do at the moment ({reason}). Nothing was changed; try again soon.",
        retry_after=10,
        reason=error.strerror,
    )
