"""The sidecar: results of checks for a program that runs the notebook.

If the environment names a file in ``MOGRADER_SIDECAR_PATH``, every check appends one JSON line to it:
``{"label", "status", "details", "earned_weight", "total_weight"}``. ``status`` is warn, success, partial or
danger; ``details`` is a list of messages that start with a tick or a cross.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mograder.runtime.results import CheckResult

VARIABLE = "MOGRADER_SIDECAR_PATH"
FIELDS = ("label", "status", "details", "earned_weight", "total_weight")


def record(result: CheckResult) -> None:
    """Append ``result`` to the sidecar if the environment asks for one.

    A line is a single ``write`` to a descriptor in append mode, so lines of several processes never mix.

    Raises:
        OSError: the file can not be opened or the line does not fit on the disk.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    line = json.dumps({field: getattr(result, field) for field in FIELDS}).encode() + b"\n"
    mode = 0o660  # who reads it may be in our group alone: whether that may, our umask says
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode)
    try:
        written = os.write(descriptor, line)
    finally:
        os.close(descriptor)
    if written != len(line):
        raise OSError(f"{path}: only {written} of {len(line)} bytes of a check's result were written.")
