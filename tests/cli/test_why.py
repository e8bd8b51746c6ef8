"""The decision about a request, asked for on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mograder.cli.hub import command


@pytest.fixture
def course(tmp_path: Path) -> Path:
    (tmp_path / "mograder.toml").write_text(
        '[hub]\ninstructors = ["grace"]\npublic_url = "https://hub.example.edu/ml"\n'
    )
    return tmp_path


@pytest.mark.parametrize(
    ("words", "status", "rule"),
    [
        (["ada", "change-work", "ada/A1"], 0, "allowed: it is their own"),
        (["ada", "view-work", "eve"], 1, "refused: only instructors may view work"),
        (["grace", "view-work", "edit/user/ada/A1"], 0, "allowed: instructors may"),
        (
            ["grace", "use-session", "edit/user/ada/A1"],
            1,
            "refused: a live notebook is open to its owner alone",
        ),
        (["grace", "view-work", "/status/ada/A1"], 0, "allowed: instructors may"),
        (["ada", "view-work", "status/bob/A1"], 1, "refused: only instructors may view work"),
        (["ada", "change-work", "https://hub.example.edu/upload/ada/A1"], 0, "allowed: it is their own"),
        (
            ["ada", "change-work", "https://hub.example.edu/ml/upload/bob/A1"],
            1,
            "refused: only instructors may change work",
        ),
        (
            ["ada", "view-work", "/ml/edit/user/bob/A1/?file=A1.py"],
            1,
            "refused: only instructors may view work",
        ),
        (["ada", "use-hub", "/release/A1/data.csv"], 0, "allowed: everybody who is signed in may"),
        (["ada", "teach", "/teach"], 1, "refused: only instructors may see and steer the whole course"),
        (["ada", "publish"], 1, "refused: only instructors may publish"),
        (["ada", "use-hub"], 0, "allowed: everybody who is signed in may"),
    ],
)
def test_the_decision_comes_with_its_rule(course: Path, words: list[str], status: int, rule: str) -> None:
    result = CliRunner().invoke(command, ["-C", str(course), "why", *words])
    assert (result.exit_code, result.output.splitlines()[-1]) == (status, rule), result.output


def test_who_is_not_on_the_list_is_told_so(course: Path) -> None:
    (course / "allowed_users.txt").write_text("ada\n")
    assert CliRunner().invoke(command, ["-C", str(course), "why", "ada", "use-hub"]).exit_code == 0
    eve = CliRunner().invoke(command, ["-C", str(course), "why", "eve", "use-hub"])
    assert (eve.exit_code, "allowed_users.txt" in eve.output) == (1, True)


def test_what_is_no_address_of_the_hubs_is_said(course: Path) -> None:
    result = CliRunner().invoke(
        command, ["-C", str(course), "why", "ada", "view-work", "/nothing/here/at/all"]
    )
    assert result.exit_code == 1
    assert "is no address of the hub" in str(result.exception)


def test_an_unknown_action_is_wrong_usage_and_lists_them(course: Path) -> None:
    result = CliRunner().invoke(command, ["-C", str(course), "why", "ada", "fly"])
    assert (result.exit_code, "view-work" in result.output) == (2, True)
