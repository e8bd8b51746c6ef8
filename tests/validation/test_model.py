"""mograder.validation.model"""

from __future__ import annotations

from mograder.validation.model import CellError, CheckResult, ValidationResult


def test_the_answer_has_the_contracts_keys_and_no_others() -> None:
    result = ValidationResult(
        checks=(CheckResult("Q1", "partial", ("✓ a", "✗ b"), 1, 2),),
        cell_errors=(CellError("setup", "ZeroDivisionError: division by zero"),),
        export_ok=True,
        integrity_level="source",
        integrity_warnings=("Line 3: …",),
        html=b"<html>",
    )
    assert result.to_json() == {
        "checks": [{"label": "Q1", "status": "partial", "details": ["✓ a", "✗ b"]}],
        "cell_errors": [{"cell": "setup", "message": "ZeroDivisionError: division by zero"}],
        "export_ok": True,
        "export_error": None,
        "html_available": True,
        "integrity_level": "source",
        "integrity_warnings": ["Line 3: …"],
    }


def test_a_notebook_passes_if_it_ran_nothing_raised_and_every_check_succeeds() -> None:
    good = CheckResult("Q1", "success")
    assert ValidationResult(checks=(good,), export_ok=True).passed
    assert not ValidationResult(checks=(good,)).passed
    assert not ValidationResult(checks=(good, CheckResult("Q2", "warn")), export_ok=True).passed
    assert not ValidationResult(checks=(good,), export_ok=True, cell_errors=(CellError("a", "b"),)).passed
