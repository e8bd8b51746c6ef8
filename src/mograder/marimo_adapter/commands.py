"""marimo's own command line, run in this process; in a warm process parsed ahead, for many sessions to invoke.

Parsing the same words in every session would cost each some megabytes of its own: click builds its parser from
objects that the sessions share, and touches them all.
"""

from __future__ import annotations

import mimetypes
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mograder.marimo_adapter import options
from mograder.marimo_adapter.hooks import HookMissing

#: Command ("edit", "run" or "export") -> its parsed command line, a click context.
_parsed: dict[str, Any] = {}


def serve(spec: options.ServeSpec) -> int:
    """Run marimo's server for ``spec`` until it ends; its exit status. Raises ``HookMissing``."""
    words = options.serve_arguments(spec)
    changes: dict[str, Any] = {"name": spec.notebook, "base_url": spec.base_url, "asset_url": spec.asset_url}
    if spec.mode == "run":
        changes |= {"session_ttl": spec.ttl, "include_code": spec.include_code}
    return _run(spec.mode, words, changes)


def export(spec: options.ExportSpec, output: Path) -> int:
    """Run the notebook and write its HTML to ``output``; marimo's exit status. Raises ``HookMissing``."""
    words = options.export_arguments(spec, str(output))
    changes = {"name": spec.notebook, "output": output, "include_code": spec.include_code}
    return _run("export", words, changes)


def prepare() -> None:
    """Parse the command lines of all sessions to come, and go once through what every one of them does.

    Raises ``HookMissing`` where marimo has no such commands.
    """
    mimetypes.init()  # reads files, at the first question for a type
    with tempfile.TemporaryDirectory() as name:
        notebook = Path(name) / "plain.py"
        notebook.write_text(options.PLAIN)
        for mode in ("edit", "run"):
            spec = options.ServeSpec(mode, notebook.name)
            words = [*options.serve_arguments(spec)[:-1], str(notebook)]
            _parsed[mode] = _context(words)
        words = options.export_arguments(options.ExportSpec(notebook.name, "out.html"), "out.html")
        _parsed["export"] = _context([*words[:-1], str(notebook)])
        _main(["-q", "export", "script", str(notebook), "-o", str(notebook.with_suffix(".txt"))])


def _run(command: str, words: list[str], changes: Mapping[str, Any]) -> int:
    sys.argv = ["marimo", *words]
    context = _parsed.get(command)
    if context is None or not set(changes) <= set(context.params):
        return _main(words)
    context.params.update(changes)
    return _status(lambda: _invoke(context))


def _main(words: list[str]) -> int:
    group = _group()
    return _status(lambda: group.main(words, prog_name="marimo", standalone_mode=True))


def _invoke(context: Any) -> None:
    """As click's ``main`` does, but for the parsing."""
    import click

    try:
        with context:
            context.command.invoke(context)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(1)


def _status(run: Any) -> int:
    """The exit status of ``run()``; 1 if it raises what a command line should not."""
    try:
        run()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except Exception:  # noqa: BLE001 - whatever marimo raises belongs in the session's log
        traceback.print_exc()
        return 1
    return 0


def _context(words: list[str]) -> Any:
    """The context of the innermost command that ``words`` name, with its parameters; the groups on the way are run."""
    command, context = _group(), None
    while hasattr(command, "get_command"):
        context = command.make_context(command.name, list(words), parent=context)
        if command.callback is not None:
            context.invoke(command.callback, **context.params)
        position = next(number for number, word in enumerate(words) if not word.startswith("-"))
        command, words = command.get_command(context, words[position]), words[position + 1 :]
        if command is None:
            raise HookMissing("marimo's command line has lost a command")
    return command.make_context(command.name, list(words), parent=context)


def _group() -> Any:
    """marimo's click group. Raises ``HookMissing``."""
    try:
        from marimo._cli import cli
    except ImportError as error:
        raise HookMissing(f"marimo._cli.cli can not be imported: {error}") from error
    group: Any = getattr(cli, "main", None)
    if not hasattr(group, "get_command"):
        raise HookMissing("marimo._cli.cli.main is no click group")
    return group
