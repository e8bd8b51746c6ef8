"""What is run for a student's notebook: their text with the release's own checks, and what was changed.

Parsing holds Python's lock, for seconds if somebody made the file for that: it is done in another process, which may
use only so much time and memory. It only reads; so it is asked again, and ends when a notebook was too much for it.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import json
import math
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
from mograder.notebook.read import Notebook, parse_notebook, parse_text
from mograder.notebook.restore import with_release_checks
from mograder.notebook.text import printable
from mograder.sentences import Sentence, packed, unpacked
from mograder.validation.model import IntegrityLevel

#: The largest notebook that is run, in bytes.
NOTEBOOK_LIMIT = 20_000_000

#: What the parsing process may use: seconds for one notebook, bytes.
CPU_SECONDS = 20
MEMORY_BYTES = 2 << 30

#: Parsing processes that wait for the next notebook, at most: as many notebooks are checked at a time on two cores.
KEPT = 2

#: Bytes of a question after which its process is not asked again: what it took of memory goes with it.
LARGE = 2_000_000

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
    reference = _reference(release, name) if release else None
    report = check_integrity(student, reference)
    run = parse_text(with_release_checks(student, reference), name) if reference else student
    return Prepared(run.text, tuple(_label(cell) for cell in run.cells), report.level, report.warnings)


@functools.lru_cache(maxsize=4)
def _reference(release: bytes, name: str) -> Notebook:
    return parse_notebook(release, limit=NOTEBOOK_LIMIT, name=f"release of {name}")


def prepare_apart(notebook: bytes, name: str, release: bytes | None = None) -> Prepared:
    """`prepare` in a process of its own. Raises ``NotANotebook``, also if it took too long."""
    question = {
        "notebook": _packed(notebook),
        "name": name,
        "release": _packed(release or b""),
        "seconds": CPU_SECONDS,
    }
    asked = json.dumps(question).encode()
    with _taken(keep=len(asked) <= LARGE) as child:
        said = _asked(child, asked)
        if not said.endswith(b"\n"):
            complained = child.stderr.read() if child.stderr else b""
            if child.wait() in (-signal.SIGXCPU, -signal.SIGKILL):
                raise NotANotebook(
                    "{name}: the code takes longer than {seconds} s to read.", name=name, seconds=CPU_SECONDS
                )
            raise NotANotebook(
                "{name}: the code can not be read ({said}).", name=name, said=_last_line(complained)
            )
    answer = unpacked(json.loads(said))
    if "error" in answer:
        raise NotANotebook(answer["error"])
    return Prepared(answer["text"], tuple(answer["labels"]), answer["level"], tuple(answer["warnings"]))


def keep_ready() -> None:
    """Have the next `prepare_apart` find a process that is up. It ends with this program. Raises ``OSError``."""
    with _lock:
        if not _ready:
            _ready.append(_started())


def _started() -> subprocess.Popen[bytes]:
    # What Python says about a student's escapes goes nowhere: nobody would read it while the process lives.
    command = [sys.executable, "-I", "-B", "-W", "ignore", "-c", f"from {__name__} import main; main()"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env={"LANG": "C.UTF-8"})


@contextlib.contextmanager
def _taken(keep: bool) -> Iterator[subprocess.Popen[bytes]]:
    """A process to ask, nobody else's. It is kept for the next one to ask, if ``keep`` and it lived to answer."""
    with _lock:
        child = _ready.pop() if _ready else None
    if child is not None and child.poll() is not None:
        with child:
            child = None  # it did not live to be asked
    child = child or _started()
    try:
        yield child
    except BaseException:
        keep = False
        raise
    finally:
        with _lock:
            keep = keep and len(_ready) < KEPT and child.poll() is None
            if keep:
                _ready.append(child)
        if not keep:
            _ended(child)


def _asked(child: subprocess.Popen[bytes], question: bytes) -> bytes:
    """The line that it answers; less than one if it ended over it, or was ended because nothing came."""
    assert child.stdin is not None
    assert child.stdout is not None
    patience = threading.Timer(CPU_SECONDS * 6, child.kill)
    patience.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(question + b"\n")
            child.stdin.flush()
        return child.stdout.readline()
    finally:
        patience.cancel()


def _ended(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    with contextlib.suppress(BrokenPipeError), child:  # what it never read
        pass


@atexit.register
def _let_go() -> None:
    with _lock:
        while _ready:
            _ended(_ready.pop())


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


def _answer(question: dict[str, Any]) -> dict[str, Any]:
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


def main() -> None:
    """Answer questions, a line each, until standard input ends."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        question = json.loads(line)
        _allow(question["seconds"])
        print(json.dumps(_answer(question)), flush=True)


def _allow(seconds: int) -> None:
    """From now on this process may compute for so long: who takes longer is ended (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
