"""One validation: a private copy, run to its end, and what came of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mograder.errors import MograderError
from mograder.notebook.text import printable
from mograder.sentences import Sentence
from mograder.validation.cell_errors import cell_errors
from mograder.validation.model import CheckResult, ValidationResult
from mograder.validation.prepare import Prepared, prepare_apart
from mograder.validation.runner import Cancelled, Ending, Limits, Runner, Task
from mograder.validation.scratch import REPORT, SIDECAR, Scratch, scratch
from mograder.validation.sidecar import FILE_LIMIT, Sidecar

#: The largest report that is kept, in bytes.
REPORT_LIMIT = 32_000_000

#: What the exporter's exit status means (mograder.marimo_adapter.export, which runs in the environment).
_CAME_TO_ITS_END = (0, 1)

_LOG_LIMIT = 500

OnCheck = Callable[[CheckResult], None]


@dataclass(frozen=True, slots=True)
class ValidationJob:
    """What is to be validated.

    ``notebook`` is the student's file, ``name`` its file name; ``release`` the released notebook, if there is
    one. ``files`` go beside the notebook (a path is copied and must be trusted, a workspace's content comes as
    bytes). ``python`` is the environment's. ``timeout_s`` in seconds; ``asset_url`` is where the report finds
    marimo's scripts (None: a public network). ``scratch_dir`` takes the private copy (default: the system's).
    """

    notebook: bytes
    name: str
    python: Path
    release: bytes | None = None
    files: Mapping[str, bytes | Path] = field(default_factory=dict)
    timeout_s: float = 120.0
    asset_url: str | None = None
    limits: Limits = field(default_factory=Limits)
    scratch_dir: Path | None = None


def validate(
    job: ValidationJob,
    runner: Runner,
    on_check: OnCheck | None = None,
    cancelled: Cancelled | None = None,
) -> ValidationResult:
    """Run the notebook of ``job`` with the release's own checks; never raises for what a notebook does.

    ``on_check`` gets each result as it comes. ``cancelled`` (a ``threading.Event``) calls the run off. Blocks
    until the end: call it in a thread. Raises ``NameRefused``, ``SessionFailed`` or ``OSError`` if the run
    could not be prepared or started.
    """
    try:
        prepared = prepare_apart(job.notebook, job.name, job.release)
    except MograderError as error:
        return ValidationResult(export_error=error.whole)
    files = {**job.files, job.name: prepared.text.encode()}
    with scratch(job.scratch_dir, files) as place:
        results = _Results(place, on_check or (lambda _: None))
        task = Task(job.python, place, job.name, job.timeout_s, job.asset_url, job.limits)
        ending = runner.run(task, results.look, cancelled or threading.Event())
        results.look()
        page = place.read(REPORT, REPORT_LIMIT + 1)
    return _result(job, prepared, results.sidecar, ending, page)


class _Results:
    """Follows the sidecar while it grows."""

    def __init__(self, place: Scratch, on_check: OnCheck) -> None:
        self.sidecar = Sidecar()
        self._place = place
        self._on_check = on_check
        self._offset = 0

    def look(self) -> None:
        """Take what is new."""
        while not self.sidecar.is_full:
            data = self._place.read(SIDECAR, FILE_LIMIT, self._offset)
            if not data:
                return
            self._offset += len(data)
            for check in self.sidecar.feed(data):
                self._on_check(check)


def _result(
    job: ValidationJob, prepared: Prepared, sidecar: Sidecar, ending: Ending, page: bytes | None
) -> ValidationResult:
    trouble = _trouble(job, ending, sidecar, page)
    too_large = page is not None and len(page) > REPORT_LIMIT
    if too_large:
        page = None
    return ValidationResult(
        checks=sidecar.checks,
        cell_errors=cell_errors(page, prepared.labels, ending.log),
        export_ok=trouble is None,
        export_error=Sentence("The report is too large to be kept.")
        if too_large and trouble is None
        else trouble,
        integrity_level=prepared.level,
        integrity_warnings=(*prepared.warnings, *sidecar.notes),
        html=page if trouble is None else None,
    )


def _trouble(job: ValidationJob, ending: Ending, sidecar: Sidecar, page: bytes | None) -> str | None:
    """Why the run did not come to its end, in a sentence; None if it did."""
    if ending.how == "done":
        return None if ending.status in _CAME_TO_ITS_END and page is not None else _died(ending)
    sentences = {
        "time": Sentence(
            "The notebook did not finish within {seconds} s and was stopped.", seconds=f"{job.timeout_s:g}"
        ),
        "cancelled": Sentence("The validation was called off."),
        "memory": Sentence(
            "The notebook used more than {size} GB of memory and was stopped.",
            size=f"{job.limits.memory / 2**30:.1f}",
        ),
        "processes": Sentence(
            "The notebook started more than {count} processes and was stopped.", count=job.limits.processes
        ),
        "disk": Sentence("The notebook filled more disk space than it may and was stopped."),
        "crashed": Sentence(
            "The notebook's own process ended before the notebook did: "
            "it crashed, called exit, or ran out of memory."
        ),
        "killed": Sentence("The notebook was stopped from outside before it finished."),
    }
    return Sentence("{trouble} {progress}", trouble=sentences[ending.how], progress=_how_far(sidecar))


def _how_far(sidecar: Sidecar) -> str:
    checks = sidecar.checks
    if not checks:
        return Sentence("No check had finished.")
    if len(checks) == 1:
        return Sentence('1 check had finished, the last was "{label}".', label=checks[-1].label)
    return Sentence(
        '{count} checks had finished, the last was "{label}".', count=len(checks), label=checks[-1].label
    )


def _died(ending: Ending) -> str:
    if ending.status == -signal.SIGKILL:
        return Sentence(
            "The notebook was killed by the system, most likely because it needed too much memory."
        )
    if ending.status < 0:
        return Sentence(
            "The notebook crashed ({signal}).", signal=signal.strsignal(-ending.status) or -ending.status
        )
    lines = [line.strip() for line in ending.log.splitlines() if line.strip()]
    said = printable(lines[-1], _LOG_LIMIT) if lines else f"exit status {ending.status}"
    return Sentence("The notebook could not be run: {said}", said=said)
