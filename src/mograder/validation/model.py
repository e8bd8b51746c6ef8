"""What one validation found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Status = Literal["success", "partial", "danger", "warn"]
IntegrityLevel = Literal["hash", "source"]

STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check. ``details`` has one line per test; weights are finite and not negative."""

    label: str
    status: Status
    details: tuple[str, ...] = ()
    earned_weight: float = 0.0
    total_weight: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As it is in the answer to ``/validate``."""
        return {"label": self.label, "status": self.status, "details": list(self.details)}


@dataclass(frozen=True, slots=True)
class CellError:
    """A cell that raised: what it is called (its name, or its first line), and the exception in one line.

    ``number`` is its place among the cells of what was run, from 0; None if that is not known.
    """

    cell: str
    message: str
    number: int | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """As it is in the answer to ``/validate``."""
        return {"cell": self.cell, "message": self.message}


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What a run of a notebook to its end found.

    ``export_ok``: the run came to its end, with or without cells that raised. ``export_error`` says in a
    sentence why it did not, or why there is no report. ``html`` is the report: bytes that a student's code
    made, to be served as such. ``integrity_level`` is what the notebook was compared with: the release's source,
    or the hashes in its own header.
    """

    checks: tuple[CheckResult, ...] = ()
    cell_errors: tuple[CellError, ...] = ()
    export_ok: bool = False
    export_error: str | None = None
    integrity_level: IntegrityLevel = "hash"
    integrity_warnings: tuple[str, ...] = ()
    html: bytes | None = None

    @property
    def passed(self) -> bool:
        """Whether everything is as it should be: the run ended, no cell raised, every check succeeds."""
        return (
            self.export_ok
            and not self.cell_errors
            and all(check.status == "success" for check in self.checks)
        )

    def to_json(self) -> dict[str, Any]:
        """The answer to ``/validate``."""
        return {
            "checks": [check.to_json() for check in self.checks],
            "cell_errors": [error.to_json() for error in self.cell_errors],
            "export_ok": self.export_ok,
            "export_error": self.export_error,
            "html_available": self.html is not None,
            "integrity_level": self.integrity_level,
            "integrity_warnings": list(self.integrity_warnings),
        }
