"""Serve one notebook on a listening socket that somebody else made, in a fresh process.

``python -I -B -m mograder.marimo_adapter.serve --fd N SPEC`` with the JSON of a ``ServeSpec``. Runs marimo's
own command line with a few changes (``hooks``); where the installed marimo does not allow the ones that carry
the session, marimo runs unchanged behind a relay.
"""

from __future__ import annotations

import argparse
import functools
import socket
import sys
from pathlib import Path
from typing import Any

from mograder.errors import MograderError, NotANotebook
from mograder.marimo_adapter import commands, early, hooks, kernels, options, readable, relay, run_state


def main(words: list[str] | None = None) -> int:
    """Serve until marimo ends; returns its exit status (2: the request itself was wrong)."""
    given = _parser().parse_args(words)
    try:
        spec = options.loads_serve(given.spec)
        listener = socket.socket(fileno=given.fd)
        if not given.relay:
            return serve(spec, listener)
    except hooks.HookMissing as missing:
        print(f"mograder: marimo runs unchanged behind a relay: {missing}", file=sys.stderr)
    except (MograderError, OSError) as error:
        print(f"mograder: this session can not be served: {error}", file=sys.stderr)
        return 2
    return relay.serve(spec, listener, shared_loopback=given.shared_loopback)


def serve(spec: options.ServeSpec, listener: socket.socket, start_kernel: kernels.Start | None = None) -> int:
    """Run marimo in this process on ``listener`` until it ends; its exit status. Raises ``HookMissing``.

    ``start_kernel`` starts its kernels (None: multiprocessing does, and they end with this process). A file that the
    editor would not show whole is not opened (``options.UNREADABLE``), nor one that can not be run as a lecture
    (``options.NO_NOTEBOOK``).
    """
    check = readable.check_editable if spec.mode == "edit" else readable.check
    try:
        check(Path(spec.notebook))
    except NotANotebook as error:
        print(f"mograder: this session can not be served: {error}", file=sys.stderr)
        return options.UNREADABLE if spec.mode == "edit" else options.NO_NOTEBOOK
    _warn_of_temporary_place()
    hooks.prepare()
    # A kernel that is no fork takes a second to come up; the page need not wait for that as well.
    runs_early = spec.mode == "edit" and spec.autorun and spec.early and start_kernel is not None
    hooks.enter(options.settings(spec), listener, functools.partial(_application, spec, runs_early))
    kernels.start_with(start_kernel or kernels.watched)
    return commands.serve(spec)


def _application(spec: options.ServeSpec, runs_early: bool, marimo: Any) -> run_state.Application:
    """What is served in the place of marimo's own ASGI application."""
    application = run_state.answering(marimo)
    if not runs_early:
        return application
    return early.running(application, marimo.state.session_manager, Path(spec.notebook))


def _warn_of_temporary_place() -> None:
    """The page takes a notebook below these directories for a temporary one, and never saves it by itself."""
    place = Path.cwd()
    if any(place.is_relative_to(temporary) for temporary in ("/tmp", "/var/folders")):  # noqa: S108
        print(f"mograder: notebooks in {place} are not saved by themselves; move the course", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mograder.marimo_adapter.serve")
    parser.add_argument("spec", help="the session, as JSON")
    parser.add_argument("--fd", type=int, required=True, help="an inherited listening socket")
    parser.add_argument("--relay", action="store_true", help="leave marimo unchanged")
    parser.add_argument(
        "--shared-loopback", action="store_true", help="let the relay use a loopback that others share"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
