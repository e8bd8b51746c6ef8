"""What a publication would change on a hub: files, type, dates, dependencies, and the notebook line by line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import click

from mograder.cli.remote import Remote
from mograder.environments import Requirements
from mograder.errors import MograderError
from mograder.generate.preview import difference


def show_changes(
    hub: Remote, name: str, files: Mapping[str, bytes], type_: str, dates: Mapping[str, str]
) -> None:
    """Print what publishing ``files`` as ``name`` would make of what the hub has. Nothing is sent."""
    there = hub.get(f"publish/{name}", params=dates)
    if there["type"] is None:
        click.echo("On the hub: nothing by this name yet.")
        return
    _files(files, there["files"])
    if there["type"] != type_:
        click.echo(f"type: {there['type']} becomes {type_}")
    if there["visible"] != there["becomes"]:
        click.echo(f"dates: “{there['visible']}” becomes “{there['becomes']}”")
    notebook = f"{name}.py"
    before, after = hub.read(f"release/{name}/{notebook}"), files[notebook]
    _dependencies(notebook, before, after)
    click.echo(
        difference(before, after, f"published/{name}/{notebook}", f"release/{name}/{notebook}"), nl=False
    )


def _files(files: Mapping[str, bytes], known: Mapping[str, Any]) -> None:
    for file in sorted(files.keys() | known.keys()):
        if file not in files:
            word = "removed"
        elif file not in known:
            word = "new"
        else:
            word = "same" if hashlib.sha256(files[file]).hexdigest() == known[file] else "changed"
        click.echo(f"{word:<8} {file}")


def _dependencies(notebook: str, before: bytes, after: bytes) -> None:
    old, new = _asked(notebook, before), _asked(notebook, after)
    lines = [f"  - {one}" for one in sorted(old - new)] + [f"  + {one}" for one in sorted(new - old)]
    if lines:
        click.echo("\n".join(["dependencies:", *lines]))


def _asked(name: str, notebook: bytes) -> set[str]:
    """What a notebook asks for; what is published may have been broken by hand since, and asks for nothing then."""
    try:
        asked = Requirements.from_notebook(notebook.decode("utf-8", "replace"), name=name)
    except MograderError:
        return set()
    return {*asked.dependencies, *([f"Python {asked.requires_python}"] if asked.requires_python else [])}
