"""Whether the cells that students should not edit are as the release has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from mograder.errors import Malformed
from mograder.notebook import metadata
from mograder.notebook.alignment import Alignment, align
from mograder.notebook.cells import UNNAMED, Cell
from mograder.notebook.checks import (
    CheckCall,
    Machinery,
    check_calls,
    machinery,
    question,
    questions,
    tampering_lines,
)
from mograder.notebook.fingerprints import fingerprint, is_editable, possible_fingerprints
from mograder.notebook.markers import has_line
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.release import release as make_release
from mograder.notebook.text import printable
from mograder.sentences import Sentence

IntegrityLevel = Literal["hash", "source"]
MAX_WARNINGS = 30


@dataclass(frozen=True)
class IntegrityReport:
    """``level`` is how much could be compared: ``"source"`` with the release itself, ``"hash"`` with the
    fingerprints in the student's own header, which a student could rewrite. ``warnings`` are sentences."""

    level: IntegrityLevel
    warnings: tuple[str, ...]


def check_integrity(student: Notebook, release: Notebook | None = None) -> IntegrityReport:
    """Compare ``student`` with ``release`` (a release, or a source), or else with its own header.

    A warning is not an accusation: students add imports to the import cell. Cells may be added, moved and
    formatted; text that marimo rewrites on saving is recognised.
    """
    if release is None:
        return IntegrityReport("hash", _first(_compare_with_header(student)))
    reference = as_release(release)
    warnings = chain(_other_assignment(student, reference), _compare(student, reference, release))
    return IntegrityReport("source", _first(warnings))


def _first(warnings: Iterable[str]) -> tuple[str, ...]:
    """As many as a person may read: a notebook can be made to cause a million."""
    found = tuple(islice(warnings, MAX_WARNINGS + 1))
    return (*found[:MAX_WARNINGS], "And more.") if len(found) > MAX_WARNINGS else found


def as_release(notebook: Notebook) -> Notebook:
    """``notebook`` without solutions and hidden tests; cell for cell the same."""
    if not any(has_line(notebook.text, f"### BEGIN {kind}") for kind in ("SOLUTION", "HIDDEN TESTS")):
        return notebook
    return parse_text(make_release(notebook.text, notebook.name.removesuffix(".py")), notebook.name)


def grading_names(student: Notebook, reference: Notebook) -> Machinery:
    """The names through which either notebook reports results."""
    return machinery(student) | machinery(reference)


def _compare(student: Notebook, reference: Notebook, source: Notebook) -> Iterator[str]:
    names = grading_names(student, reference)
    alignment = align(student.cells, reference.cells, names, source.cells)
    for index, cell in enumerate(reference.cells):
        if is_editable(cell) or not cell.code or index in alignment.same:
            continue  # an empty cell is there to be written in
        theirs = alignment.changed.get(index)
        if theirs is None:
            yield Sentence("{cell} is missing.", cell=_described(cell, names))
        else:
            line = student.cells[theirs].first_line
            yield Sentence(
                "Line {line}: {cell} was changed, and is not meant to be.",
                line=line,
                cell=_described(cell, names),
            )
    yield from _forgeries(student, reference, alignment, names)


def _forgeries(
    student: Notebook, reference: Notebook, alignment: Alignment, names: Machinery
) -> Iterator[str]:
    """Checks in cells of the student's own that would count, and other ways to reach into the results."""
    known = questions(reference.cells, names)
    place = {theirs: ours for ours, theirs in alignment.changed.items()}
    for index, cell in enumerate(student.cells):
        if index in alignment.unaltered:
            continue
        expected = Counter(
            call.label
            for call in (check_calls(reference.cells[place[index]], names) if index in place else [])
        )
        for call in check_calls(cell, names):
            if expected[call.label] > 0:
                expected[call.label] -= 1
            elif call.label is None:
                yield Sentence(
                    "Line {line}: a check of the student's own, with a label made at run time.",
                    line=call.lineno,
                )
            elif question(call.label) in known:
                yield _extra(call)
        for line in tampering_lines(cell, names):
            yield _reaching(line)


def _extra(call: CheckCall) -> str:
    return Sentence(
        'Line {line}: an extra check reports results for "{label}".',
        line=call.lineno,
        label=printable(call.label or ""),
    )


def _reaching(line: int) -> str:
    return Sentence("Line {line}: the student's code reaches into the checks or their results.", line=line)


def _other_assignment(student: Notebook, reference: Notebook) -> Iterator[str]:
    theirs, ours = (_header(notebook).get(metadata.ASSIGNMENT) for notebook in (student, reference))
    if isinstance(theirs, str) and isinstance(ours, str) and theirs != ours:
        yield Sentence(
            'This notebook belongs to "{theirs}", not to "{ours}".',
            theirs=printable(theirs),
            ours=printable(ours),
        )


def _compare_with_header(student: Notebook) -> Iterator[str]:
    listed = _header(student).get(metadata.CELL_HASHES)
    if not isinstance(listed, str):
        yield Sentence(
            "The header holds no fingerprints of the original cells, so nothing could be compared."
        )
        return
    empty = fingerprint("")  # an empty cell is there to be written in
    wanted = [part.strip() for part in listed.split(",") if part.strip() not in ("", empty)]
    original, others = _split(student, wanted)
    spellings = {each for cell in others for each in possible_fingerprints(cell)}
    lost = Counter(wanted) - Counter(fingerprint(cell.code) for cell in original)
    missing = sum(count for each, count in lost.items() if each not in spellings)
    if missing:
        yield Sentence(
            "{missing} of {count} cells that are not meant to be edited were changed or removed.",
            missing=missing,
            count=len(wanted),
        )
    yield from _doubled_checks(original, others, machinery(student))


def _split(student: Notebook, wanted: list[str]) -> tuple[list[Cell], list[Cell]]:
    """The student's cells whose fingerprints are wanted, each fingerprint as often as it is, and the others."""
    waiting = Counter(wanted)
    original: list[Cell] = []
    others: list[Cell] = []
    for cell in student.cells:
        mark = fingerprint(cell.code)
        (original if waiting[mark] > 0 else others).append(cell)
        waiting[mark] -= 1
    return original, others


def _doubled_checks(original: list[Cell], others: list[Cell], names: Machinery) -> Iterator[str]:
    """Checks outside the original cells for what an original cell checks.

    A cell for the student's code may hold a check too (the author put it there): only a label that an
    original cell has as well is wrong in it.
    """
    labels = {call.label for cell in original for call in check_calls(cell, names)} - {None}
    known = questions(original, names)
    for cell in others:
        wrong = known if not is_editable(cell) else frozenset()
        for call in check_calls(cell, names):
            if call.label in labels or (call.label and question(call.label) in wrong):
                yield _extra(call)
        for line in tampering_lines(cell, names):
            yield _reaching(line)


def _header(notebook: Notebook) -> dict[str, object]:
    try:
        return metadata.read(notebook.text, notebook.name)
    except Malformed:
        return {}


def _described(cell: Cell, names: Machinery) -> str:
    labels = [call.label for call in check_calls(cell, names) if call.label]
    if labels:
        return Sentence('The check "{label}"', label=printable(labels[0]))
    if cell.kind == "setup":
        return Sentence("The setup cell")
    if cell.name != UNNAMED:
        return Sentence('The cell "{name}"', name=printable(cell.name))
    first = next((line for line in cell.code.split("\n") if line.strip()), "")
    return Sentence('The cell that begins with "{line}"', line=printable(first))
