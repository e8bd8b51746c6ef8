"""Command lines, environment and settings."""

from __future__ import annotations

import pytest

from mograder.errors import Malformed, NameRefused
from mograder.marimo_adapter import options
from mograder.marimo_adapter.options import ExportSpec, ServeSpec


def test_a_specification_survives_json() -> None:
    spec = ServeSpec(
        "run", "L1.py", "/run/user/a/L1", asset_url="/_m/1", include_code=False, ttl=5, autorun=False
    )
    assert options.loads_serve(options.dumps(spec)) == spec
    export = ExportSpec("A1.py", "/tmp/out.html", "/_m/1", include_code=False)
    assert options.loads_export(options.dumps(export)) == export


@pytest.mark.parametrize(
    "name", ["", "../A1.py", "a/b.py", "-x.py", ".hidden.py", "A1.txt", "A\0.py", "/A1.py"]
)
def test_only_a_plain_python_file_can_be_a_notebook(name: str) -> None:
    with pytest.raises(NameRefused):
        ServeSpec("edit", name)
    with pytest.raises(NameRefused):
        ExportSpec(name, "out.html")


@pytest.mark.parametrize("url", ["edit/a", "/edit/", "/"])
def test_a_base_url_starts_with_a_slash_and_does_not_end_with_one(url: str) -> None:
    with pytest.raises(Malformed):
        ServeSpec("edit", "A1.py", url)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"mode": "edit"}', '{"mode":"x","notebook":"a.py"}', '{"a": 1}']
)
def test_what_is_no_specification_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        options.loads_serve(text)


def test_an_output_can_not_be_taken_for_an_option() -> None:
    with pytest.raises(NameRefused):
        ExportSpec("A1.py", "-rf")


def test_an_editor_is_started_without_token_browser_update_check_or_sandbox_prompt() -> None:
    words = options.serve_arguments(ServeSpec("edit", "A1.py", "/edit/a", asset_url="/_m/1"))
    wanted = {"--headless", "--no-token", "--skip-update-check", "--no-sandbox", "--no-skew-protection"}
    assert wanted <= set(words)
    assert words[words.index("--base-url") + 1] == "/edit/a"
    assert words[words.index("--asset-url") + 1] == "/_m/1"
    assert words[-1] == "A1.py"


def test_only_a_lecture_may_hide_its_code_and_forget_its_readers() -> None:
    assert "--include-code" in options.serve_arguments(ServeSpec("run", "L1.py"))
    assert "--include-code" not in options.serve_arguments(ServeSpec("run", "L1.py", include_code=False))
    assert "--session-ttl" not in options.serve_arguments(ServeSpec("edit", "L1.py"))


def test_an_environment_is_built_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOGRADER_HUB_SECRET", "s3cret")
    made = options.environment("/home/student", python="/venv/bin/python", MOGRADER_SIDECAR_PATH="/tmp/s")
    assert "MOGRADER_HUB_SECRET" not in made
    assert made["HOME"] == "/home/student"
    assert made["PATH"].startswith("/venv/bin:")
    assert made["MOGRADER_SIDECAR_PATH"] == "/tmp/s"
    assert made["XDG_CONFIG_HOME"] == "/home/student/.config"


def test_a_command_ignores_modules_in_the_working_directory_and_writes_no_bytecode() -> None:
    assert options.serve_command("py", ServeSpec("edit", "A1.py"), fd=5)[1:6] == [
        "-I",
        "-B",
        "-m",
        "mograder.marimo_adapter.serve",
        "--fd",
    ]
    assert options.export_command("py", ExportSpec("A1.py", "o.html"))[1:3] == ["-I", "-B"]


def test_settings_follow_the_course_in_what_runs_by_itself() -> None:
    assert options.settings(ServeSpec("edit", "A1.py", autorun=False))["runtime"] == {
        "auto_instantiate": False
    }
    assert options.settings(ServeSpec("edit", "A1.py"))["ai"] == {"enabled": False}
