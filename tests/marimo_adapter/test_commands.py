"""marimo's command line, parsed ahead and invoked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import click
import pytest

from mograder.marimo_adapter import commands, options

Calls = list[dict[str, Any]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """A command line shaped like marimo's, that notes how its commands are called."""
    made: Calls = []

    @click.group()
    @click.option("-q", "--quiet", is_flag=True)
    def main(quiet: bool) -> None:
        made.append({"quiet": quiet})

    @main.command()
    @click.option("--base-url", default="")
    @click.option("--asset-url", default=None)
    @click.option("--port", type=int)
    @click.argument("name")
    @click.pass_context
    def edit(context: click.Context, **named: Any) -> None:
        made.append(named)
        if named["name"] == "broken.py":
            raise click.UsageError("no such notebook")
        if named["name"] == "stopped.py":
            context.exit(3)
        if named["name"] == "odd.py":
            raise ZeroDivisionError

    for flag in ("headless", "no-token", "no-skew-protection", "no-sandbox", "skip-update-check"):
        click.option(f"--{flag}", is_flag=True)(edit)
    click.option("--host")(edit)
    monkeypatch.setattr(commands, "_group", lambda: main)
    monkeypatch.setattr(commands, "_parsed", {})
    return made


def prepared() -> None:
    vars(commands)["_parsed"]["edit"] = vars(commands)["_context"](
        options.serve_arguments(options.ServeSpec("edit", "placeholder.py"))
    )


@pytest.mark.parametrize("ahead", [False, True])
def test_a_command_gets_what_the_session_is(calls: Calls, ahead: bool) -> None:
    if ahead:
        prepared()
    assert commands.serve(options.ServeSpec("edit", "A1.py", "/edit/a", asset_url="/_m/1")) == 0
    assert {"quiet": True} in calls
    assert calls[-1]["name"] == "A1.py"
    assert calls[-1]["base_url"] == "/edit/a"
    assert calls[-1]["asset_url"] == "/_m/1"
    assert calls[-1]["headless"] is True
    assert calls[-1]["port"] == 2718


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("name", "status"), [("broken.py", 2), ("stopped.py", 3), ("odd.py", 1)])
def test_a_failure_is_an_exit_status(calls: Calls, ahead: bool, name: str, status: int) -> None:
    if ahead:
        prepared()
    assert commands.serve(options.ServeSpec("edit", name)) == status


def test_a_command_that_no_longer_takes_what_varies_is_parsed_each_time(calls: Calls) -> None:
    vars(commands)["_parsed"]["edit"] = SimpleNamespace(params={"name": ""})
    assert commands.serve(options.ServeSpec("edit", "A1.py", "/edit/a")) == 0
    assert calls[-1]["base_url"] == "/edit/a"
