"""Running a notebook once, in a fresh process and in a fork."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mograder.marimo_adapter import control, export, options
from mograder.marimo_adapter.owner import Warm
from tests.marimo_adapter.conftest import workspace
from tests.support.marimo_environments import VERSIONS, python_with_marimo

Run = Callable[[Path, options.ExportSpec], tuple[int, str]]


@pytest.fixture(params=["fresh", "forked"])
def run(request: pytest.FixtureRequest, newest: Path, tmp_path: Path) -> Run:
    """Run an export to its end: exit status and what it printed."""
    env = options.environment(
        tmp_path / "home", python=newest, MOGRADER_SIDECAR_PATH=str(tmp_path / "sidecar")
    )

    def fresh(place: Path, spec: options.ExportSpec) -> tuple[int, str]:
        command = options.export_command(newest, spec)
        done = subprocess.run(
            command,
            cwd=place,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def forked(place: Path, spec: options.ExportSpec) -> tuple[int, str]:
        warm: Warm = request.getfixturevalue("warm_newest")
        with (tmp_path / "log").open("wb") as log:
            pid = warm.fork(control.Order(spec=spec, cwd=str(place), env=env, log=log.fileno()))
        ended = warm.ended(60)
        while ended is not None and ended.pid != pid:  # of a test before, which did not ask
            ended = warm.ended(60)
        assert ended is not None
        return ended.status, (tmp_path / "log").read_text()

    return fresh if request.param == "fresh" else forked


@pytest.mark.real
def test_a_notebook_becomes_one_page_that_needs_no_public_network(run: Run, desk: Path) -> None:
    place = workspace(desk, "plain.py")
    status, said = run(place, options.ExportSpec("plain.py", "out.html", "/_m/1"))
    assert (status, said.strip()) == (export.DONE, "")
    html = (place / "out.html").read_text()
    assert "y is 2" in html
    assert "jsdelivr" not in html
    assert '"/_m/1/' in html
    assert not list(place.glob(".*"))


@pytest.mark.real
def test_a_failed_cell_is_told_and_the_page_is_there(run: Run, desk: Path) -> None:
    place = workspace(desk, "failing.py")
    status, _ = run(place, options.ExportSpec("failing.py", "out.html"))
    assert status == export.CELLS_FAILED
    assert "ZeroDivisionError" in (place / "out.html").read_text()


@pytest.mark.real
def test_a_broken_notebook_is_refused_with_its_line(run: Run, desk: Path) -> None:
    place = workspace(desk, "plain.py")
    (place / "plain.py").write_text("import marimo\napp = marimo.App(\n")
    status, said = run(place, options.ExportSpec("plain.py", "out.html"))
    assert status == export.NO_HTML
    assert "plain.py:2:" in said
    assert not (place / "out.html").exists()


@pytest.mark.real
def test_cells_find_the_sidecar_and_local_modules_and_not_the_hub_s_environment(
    run: Run, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOGRADER_HUB_SECRET", "s3cret")
    place = workspace(desk, "plain.py")
    text = (
        (place / "plain.py")
        .read_text()
        .replace(
            "y = x.value + 1",
            "import os, helper; y = helper.ANSWER\n"
            "    out = open(os.environ['MOGRADER_SIDECAR_PATH'], 'a')\n"
            "    out.write('ran ' + os.environ.get('MOGRADER_HUB_SECRET', 'clean')); out.close()",
        )
    )
    (place / "plain.py").write_text(text)
    assert run(place, options.ExportSpec("plain.py", "out.html"))[0] == export.DONE
    assert "y is 42" in (place / "out.html").read_text()
    assert (tmp_path / "sidecar").read_text() == "ran clean"


def test_only_marimo_s_own_files_are_redirected() -> None:
    public = "https://cdn.jsdelivr.net/npm/@marimo-team/frontend@0.25.2/dist"
    html = (
        f'<script src="{public}/assets/a.js"></script><p>{public}</p><img src="https://elsewhere.example/x">'
    )
    changed = export.local_files(html, "/_m/1/")
    assert changed.startswith('<script src="/_m/1/assets/a.js">')
    assert f"<p>{public}</p>" in changed
    assert "elsewhere" in changed
    assert export.local_files(html, None) == html


def test_a_request_that_makes_no_sense_ends_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([]) == export.NO_HTML
    assert "can not be run" in capsys.readouterr().err
    assert os.getcwd()


@pytest.mark.real
@pytest.mark.parametrize("version", VERSIONS)
def test_the_wait_after_the_last_cell_is_as_known_in_every_marimo(version: str) -> None:
    python = python_with_marimo(version)
    code = """
from mograder.marimo_adapter import settling
prompt = settling.prepare()
print(prompt, prompt == settling.prepare())
if prompt:
    import time
    from marimo._export import file
    begun = time.monotonic()
    file.asyncio.run(file.asyncio.sleep(0.1))
    file.asyncio.Event()
    print(time.monotonic() - begun < 0.1)
"""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    # An older marimo may still have something of a cell on its way: it sleeps.
    prompt = tuple(map(int, version.split("."))) >= (0, 23, 16)
    assert done.stdout.split() == (["True"] * 3 if prompt else ["False", "True"])


@pytest.mark.real
def test_everything_that_cells_print_is_on_the_page(desk: Path, warm_newest: Warm, newest: Path) -> None:
    place = workspace(desk, "plain.py")
    text = (place / "plain.py").read_text()
    cell = """

@app.cell
def _():
    import os, subprocess, sys
    print("said" + "-by-print")
    print("said" + "-as-error", file=sys.stderr)
    subprocess.run(["echo", "said" + "-by-program"], check=True)
    raise ValueError("said" + "-at-last")
    return


if __name__"""
    (place / "plain.py").write_text(text.replace("\n\nif __name__", cell, 1))
    env = options.environment(desk / "home", python=newest)
    for number in range(5):
        spec = options.ExportSpec("plain.py", f"out{number}.html")
        with (desk / "log").open("wb") as log:
            pid = warm_newest.fork(control.Order(spec=spec, cwd=str(place), env=env, log=log.fileno()))
        while (ended := warm_newest.ended(60)) is not None and ended.pid != pid:
            continue
        assert ended is not None
        assert ended.status == export.CELLS_FAILED
        html = (place / f"out{number}.html").read_text()
        for word in ("by-print", "as-error", "by-program", "at-last"):
            assert f"said-{word}" in html
