"""What the commands that run an author's notebooks share: where packages are kept, and how progress is shown."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mograder.cli.validate import cache_directory
from mograder.environments import Environments
from mograder.proving.runs import Runs

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Seconds that one run may take.",
)


@contextmanager
def runs() -> Iterator[Runs]:
    """A place to run notebooks in, with the environments of this person; what still runs is ended at the end."""
    with Runs(Environments(cache_directory() / "environments"), Progress()) as place:
        yield place


class Progress:
    """Steps on standard error: on a terminal in one line that moves, else a line each."""

    def __init__(self) -> None:
        self._moving = sys.stderr.isatty()
        self._lock = threading.Lock()

    def __call__(self, item: str, step: str) -> None:
        with self._lock:
            if self._moving:
                click.echo(f"\r\x1b[K{item}: {step} …\r", nl=False, err=True)
            else:
                click.echo(f"{item}: {step}", err=True)
