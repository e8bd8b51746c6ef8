"""The command line: one module for each group of commands, parsing and printing only."""

from __future__ import annotations

import sys

import click

from mograder import __version__
from mograder.errors import MograderError


class _Commands(click.Group):
    """Loads a command's module when it is asked for: ``mograder --help`` stays quick."""

    _MODULES = ("hub", "demo", "generate", "lint", "validate", "moodle")

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self._MODULES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self._MODULES:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"mograder.cli.{name}").command
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mograder")
def program() -> None:
    """Live marimo notebooks for a whole course: write, publish, run, check.

    \b
    Try it:            mograder demo
    Serve a course:    mograder hub -C my-course
    Make a release:    mograder generate A1 -C my-course
    """


def main() -> None:
    """Run the command; every error of ours becomes one line and exit status 1 (wrong usage: 2)."""
    try:
        program.main(standalone_mode=True)
    except MograderError as error:
        click.echo(f"mograder: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
