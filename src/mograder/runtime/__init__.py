"""What a notebook imports: checks with feedback, marks, hints.

>>> from mograder.runtime import Grader, check, hint
>>> speed = 3.0
>>> result = check("Q1: speed", [(speed > 0, "the speed is positive"), (speed < 2, "it is below 2 m/s")])
Q1: speed: 1 of 2 tests pass.
  ✓ the speed is positive
  ✗ it is below 2 m/s

In a marimo notebook the last expression of a cell is shown as a coloured box; elsewhere, as above, the text
is printed. Nothing but the standard library is imported: marimo is used where the notebook has imported it, so
the same code works in the editor, an app, an export, a plain script and in the browser (WASM).
"""

from mograder.runtime.checks import check
from mograder.runtime.marks import Grader, Scores
from mograder.runtime.page import hint
from mograder.runtime.results import CheckResult, Test

__all__ = ["CheckResult", "Grader", "Scores", "Test", "check", "hint"]
