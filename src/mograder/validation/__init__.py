"""One run of a notebook to its end, and what it showed.

job = ValidationJob(notebook=data, name="A1.py", release=released, python=environment.python)
result = validate(job, ProcessRunner(), on_check=print)
result.to_json()                       # the answer to /validate; result.html is the report
"""

from mograder.validation.fixing import fix
from mograder.validation.model import CellError, CheckResult, ValidationResult
from mograder.validation.prepare import NOTEBOOK_LIMIT
from mograder.validation.process_runner import ProcessRunner
from mograder.validation.run import ValidationJob, validate
from mograder.validation.runner import Cancelled, Ending, Limits, Runner, Task
from mograder.validation.sidecar import Sidecar

__all__ = [
    "NOTEBOOK_LIMIT",
    "Cancelled",
    "CellError",
    "CheckResult",
    "Ending",
    "Limits",
    "ProcessRunner",
    "Runner",
    "Sidecar",
    "Task",
    "ValidationJob",
    "ValidationResult",
    "fix",
    "validate",
]
