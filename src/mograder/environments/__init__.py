"""A notebook's PEP 723 dependencies as a ready, shared, read-only virtual environment.

    requirements = Requirements.from_notebook(text, name="A1.py")
    lock = resolve(requirements)                       # once, when the item is published; kept with it
    environment = Environments(state / "environments").ready(lock)   # at every start; at once if it is there

Nothing here is asynchronous: callers with an event loop run it in a thread.
"""

from mograder.environments.build import Check, Step, StepObserver, run_check
from mograder.environments.confined import check_in_jail
from mograder.environments.locks import OLDEST_MARIMO, Lock, resolve
from mograder.environments.recall import remembered
from mograder.environments.requirements import Requirements
from mograder.environments.store import Environment, Environments, environment_id
from mograder.environments.uv import Uv
from mograder.environments.warming import Planned, Warmed, plan, warm

__all__ = [
    "OLDEST_MARIMO",
    "Check",
    "Environment",
    "Environments",
    "Lock",
    "Planned",
    "Requirements",
    "Step",
    "StepObserver",
    "Uv",
    "Warmed",
    "check_in_jail",
    "environment_id",
    "plan",
    "remembered",
    "resolve",
    "run_check",
    "warm",
]
