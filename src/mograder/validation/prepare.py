"""What is run for a student's notebook: their text with the release's own checks, and what was changed.

Parsing holds Python's lock, for seconds if somebody made the file for that: it is done in a process of its own,
which may use only so much time and memory.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mograder.errors import MograderError, NotANotebook
from mograder.notebook.cells import UNNAMED, Cell
from mograder.notebook.integrity import check_integrity
from mograder.notebook.read import parse_notebook, parse_text
from mograder.notebook.restore import with_release_checks
from mograder.notebook.text import printable
from mograder.sentences import Sentence, packed, unpacked
from mograder.validation.model import IntegrityLevel

#: The largest notebook that is run, in bytes.
NOTEBOOK_LIMIT = 20_000_000

#: What the parsing process may use.
CPU_SECONDS = 20
MEMORY_BYTES = 2 << 30


_lock = threading.Lock()
_ready: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Prepared:
    """``text`` is what to run; ``labels`` names its cells in order; the rest is what integrity found."""

    text: str
    labels: tuple[str, ...]
    level: IntegrityLevel
    warnings: tuple[str, ...]


def prepare(notebook: bytes, name: str, release: bytes | None = None) -> Prepared:
    """Put the checks of ``release`` into ``notebook`` and compare the two. Pure; the work of the child.

    Raises ``NotANotebook`` or ``TooLarge``.
    """
    student = parse_notebook(notebook, limit=NOTEBOOK_LIMIT, name=name)
    reference = parse_notebook(release, limit=NOTEBOOK_LIMIT, name=f"release of {name}") if release else None
    report = check_integrity(student, reference)
    run = parse_text(with_release_checks(student, reference), name) if reference else student
    return Prepared(run.text, tuple(_label(cell) for cell in run.cells), report.level, report.warnings)


def prepare_apart(notebook: bytes, name: str, release: bytes | None = None) -> Prepared:
    """`prepare` in a process of its own. Raises ``NotANotebook``, also if it took too long."""
    question = {"notebook": _packed(notebook), "name": name, "release": _packed(release or b"")}
    too_long = NotANotebook(
        "{name}: the code takes longer than {seconds} s to read.", name=name, seconds=CPU_SECONDS
    )
    with _taken() as child:
        try:
            said, complained = child.communicate(json.dumps(question).encode(), CPU_SECONDS * 6)
        except subprocess.TimeoutExpired:
            raise too_long from None
    if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise too_long
    try:
        answer = unpacked(json.loads(said))
    except ValueError as error:
        raise NotANotebook(
            "{name}: the code can not be read ({said}).", name=name, said=_last_line(complained)
        ) from error
    if "error" in answer:
        raise NotANotebook(answer["error"])
    return Prepared(answer["text"], tuple(answer["labels"]), answer["level"], tuple(answer["warnings"]))


def keep_ready() -> None:
    """Have the next `prepare_apart` find a process that is up: it has read nothing yet, and answers one question.

    For a program that will be asked again; the process ends with it. Raises ``OSError``.
    """
    with _lock:
        if not _ready:
            _ready.append(_started())


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-B", "-c", f"from {__name__} import main; main({CPU_SECONDS})"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env={"LANG": "C.UTF-8"})


@contextlib.contextmanager
def _taken() -> Iterator[subprocess.Popen[bytes]]:
    """A process to ask, nobody else's; gone at the end."""
    with _lock:
        child = _ready.pop() if _ready else None
    if child is not None and child.poll() is not None:
        with child:
            child = None  # it did not live to be asked
    with child or _started() as asked:
        try:
            yield asked
        finally:
            asked.kill()


@atexit.register
def _let_go() -> None:
    with _lock:
        while _ready:
            with _ready.pop() as child:
                child.kill()


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return printable(lines[-1], 200) if lines else Sentence("it ended without a word")


def _label(cell: Cell) -> str:
    if cell.name != UNNAMED:
        return printable(cell.name)
    first = next((line for line in cell.code.splitlines() if line.strip()), "")
    return printable(first) if first else Sentence("empty cell")


def _answer(question: dict[str, str]) -> dict[str, Any]:
    notebook, release = (base64.b64decode(question[key]) for key in ("notebook", "release"))
    try:
        prepared = prepare(notebook, question["name"], release or None)
    except MograderError as error:
        return {"error": packed(error.whole)}
    return {
        "text": prepared.text,
        "labels": packed(prepared.labels),
        "level": prepared.level,
        "warnings": packed(prepared.warnings),
    }


def main(cpu_seconds: int) -> None:
    """Answer the one question on standard input within ``cpu_seconds`` of computing."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump(_answer(json.load(sys.stdin)), sys.stdout)
