"""The docs say what the code does: a key, option or command that is not described fails here."""

from __future__ import annotations

import configparser
import getpass
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from mograder.cli import program
from mograder.config import DirsSection, HubSection
from mograder.sandbox import cgroups

DOCS = Path(__file__).parents[1] / "docs"


def rows(name: str) -> dict[str, str]:
    """First and second column of every table row of a page."""
    text = (DOCS / name).read_text()
    return dict(re.findall(r"^\| `([\w-]+)` \| (.*?) \|", text, re.M))


def test_every_key_of_hub_is_documented_with_its_default() -> None:
    described = rows("configuration.md")
    for name, field in HubSection.model_fields.items():
        assert name in described, name
        default = field.default
        shown = "[]" if default == () else f'"{default}"' if isinstance(default, str) else str(default)
        assert described[name] == f"`{shown}`" or name == "title", (name, described[name], shown)


def test_every_key_of_dirs_is_documented() -> None:
    text = (DOCS / "configuration.md").read_text()
    for name, field in DirsSection.model_fields.items():
        assert f"`{field.alias or name}`" in text


def commands(group: click.Command, path: str = "mograder") -> dict[str, click.Command]:
    found = {path: group}
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            found |= commands(command, f"{path} {name}")
    return found


@pytest.mark.parametrize("name", sorted(set(commands(program)) - {"mograder"}))
def test_every_command_and_option_is_documented(name: str) -> None:
    text = (DOCS / "commands.md").read_text()
    assert f"`{name}" in text
    section = text.split(f"`{name}", 1)[1]
    for parameter in commands(program)[name].params:
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            assert any(f"`{option}`" in section or f"`{option} " in section or f"`{option}/" in section
                       for option in parameter.opts), (name, parameter.opts)  # fmt: skip


def test_every_command_has_an_example() -> None:
    for name, command in commands(program).items():
        if name != "mograder":
            text = (command.help or "") + (command.epilog or "")
            assert "xample" in text, name


def test_every_test_that_the_page_on_security_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "security.md").read_text()))
    tests = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    assert len(named) > 60
    assert named - set(re.findall(r"def (test_\w+)\(", tests)) == set()


UNIT = DOCS / "systemd" / "mograder-hub.service"


def test_the_unit_for_systemd_lets_notebooks_outlive_the_hub() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    assert service["KillMode"] == "process"
    assert (service["Delegate"], service["OOMPolicy"]) == ("yes", "continue")
    assert service["DelegateSubgroup"] == cgroups.HUB
    _, name, *options = shlex.split(service["ExecStart"])
    known = {
        option for parameter in commands(program)[f"mograder {name}"].params for option in parameter.opts
    }
    assert set(options) <= known


@pytest.mark.real
def test_systemd_understands_its_unit(tmp_path: Path) -> None:
    """With a user and a program that this machine has."""
    text = UNIT.read_text().replace("/opt/mograder/bin/mograder", "/usr/bin/env mograder")
    made = tmp_path / UNIT.name
    made.write_text(text.replace("=mograder\n", f"={getpass.getuser()}\n"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(made)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    said = [
        line for line in done.stderr.splitlines() if UNIT.name in line and "'DelegateSubgroup'" not in line
    ]
    assert (done.returncode, said) == (0, [])


ROOT = DOCS.parent
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")


def links(page: Path) -> list[tuple[str, Path]]:
    """Where the links of a page lead that stay in this repository; "!" before those of pictures."""
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.S)
    found = [(mark, target.partition("#")[0]) for mark, target in LINK.findall(text)]
    return [
        (mark, (page.parent / target).resolve()) for mark, target in found if target and ":" not in target
    ]


PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def test_every_link_of_the_docs_leads_somewhere() -> None:
    assert [(page.name, target) for page in PAGES for _, target in links(page) if not target.exists()] == []


def test_every_picture_is_shown_and_small() -> None:
    shown = {target for page in PAGES for mark, target in links(page) if mark}
    pictures = set((DOCS / "images").iterdir())
    assert shown == pictures
    sizes = {picture.name: picture.stat().st_size for picture in pictures}
    assert {name: size for name, size in sizes.items() if size > 120_000} == {}
    assert sum(sizes.values()) < 2_000_000


def test_every_picture_of_the_tour_says_what_it_shows() -> None:
    text = (DOCS / "tour.md").read_text()
    assert re.findall(r"!\[\W*\]", text) == []
    assert len(re.findall(r"!\[[^\]]{12,}\]", text)) == text.count("![")
