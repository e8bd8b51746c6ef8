"""Command lines, environment and settings with which marimo serves one notebook.

Pure: nothing here starts a process or imports marimo, so the hub can use it too. The reasons are marimo's
behaviour as read in and measured on versions 0.19 to 0.25; each is said where it matters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mograder.errors import Malformed, NameRefused

Mode = Literal["edit", "run"]

#: What a student's own settings (user file, ``pyproject.toml``, the notebook's header) can not change.
LOCKED_SETTINGS: dict[str, Any] = {
    # The browser saves 1 s after the last keystroke; a stopped session therefore loses nothing.
    "save": {"autosave": "after_delay", "autosave_delay": 1000, "format_on_save": False},
    # marimo's own default is False: an opened notebook would show no outputs.
    "runtime": {"auto_instantiate": True},
    "ai": {"enabled": False},
    "completion": {"copilot": False},
    "mcp": {"mcpServers": {}, "presets": []},
    "sharing": {"html": False, "wasm": False, "molab": False},
    # Language servers are further processes on loopback ports.
    "language_servers": {
        name: {"enabled": False} for name in ("pylsp", "basedpyright", "pyrefly", "ty", "ruff")
    },
    # A second, shared document channel would need a second WebSocket route through the gateway.
    "experimental": {"rtc": False, "rtc_v2": False},
}

#: The exit status of an editor that would not show its whole file (EX_DATAERR of sysexits.h); its log says why.
UNREADABLE = 65

#: The exit status of a lecture that is no notebook (EX_NOINPUT); its log says why.
NO_NOTEBOOK = 66

#: uvicorn insists on a number even when it is handed a ready socket; marimo would otherwise search for a free
#: port.
_UNUSED_PORT = 2718


#: A notebook without needs: to parse command lines for, to go once through reading and writing one, to try.
PLAIN = """\
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    return (mo,)


@app.cell
def _(mo):
    mo.md("ready")
    return
"""


@dataclass(frozen=True, slots=True)
class ServeSpec:
    """One session: what to serve, and where in the hub's URL space.

    ``notebook`` is a file name in the working directory. ``base_url`` starts with ``/`` and does not end with
    one (empty: the root). ``asset_url`` is where the browser finds marimo's static files (None: the session
    serves them). ``include_code`` and ``ttl`` (seconds a disconnected reader's kernel is kept) matter in
    ``run`` mode alone. ``autorun`` runs the cells when an editor opens; ``early`` lets them run before it is open,
    where a kernel comes by fork. Raises ``Malformed`` or ``NameRefused``.
    """

    mode: Mode
    notebook: str
    base_url: str = ""
    asset_url: str | None = None
    include_code: bool = True
    ttl: int = 3600
    autorun: bool = True
    early: bool = True

    def __post_init__(self) -> None:
        if self.mode not in ("edit", "run"):
            raise Malformed(f'Unknown session mode "{self.mode}": it is "edit" or "run".')
        _check_notebook(self.notebook)
        if self.base_url and (not self.base_url.startswith("/") or self.base_url.endswith("/")):
            raise Malformed(f'Base URL "{self.base_url}" must start with "/" and must not end with one.')


@dataclass(frozen=True, slots=True)
class ExportSpec:
    """One run of a notebook to its end, into one HTML file.

    ``notebook`` and ``output`` are file names in the working directory, ``output`` may be an absolute path.
    """

    notebook: str
    output: str
    asset_url: str | None = None
    include_code: bool = True

    def __post_init__(self) -> None:
        _check_notebook(self.notebook)
        if not self.output or self.output.startswith("-") or "\0" in self.output:
            raise NameRefused(f'"{self.output}" can not be the name of an HTML file.')


def serve_arguments(spec: ServeSpec, *, port: int = _UNUSED_PORT) -> list[str]:
    """The words after ``marimo`` that serve ``spec``; ``port`` counts only without a ready socket."""
    words = ["-q", spec.mode, "--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    # A token per server process would lock open tabs out of a session that was stopped and started again.
    words.append("--no-skew-protection")
    # A notebook with dependencies in its header would otherwise be started again under uv.
    words.append("--no-sandbox")
    if spec.base_url:
        words += ["--base-url", spec.base_url]
    if spec.asset_url:
        words += ["--asset-url", spec.asset_url]
    if spec.mode == "edit":
        words.append("--skip-update-check")
    else:
        words += ["--session-ttl", str(spec.ttl)]
        words += ["--include-code"] if spec.include_code else []
    return [*words, spec.notebook]


def export_arguments(spec: ExportSpec, output: str) -> list[str]:
    """The words after ``marimo`` that run ``spec.notebook`` and write HTML to ``output``."""
    code = "--include-code" if spec.include_code else "--no-include-code"
    return ["-q", "export", "html", "--no-sandbox", code, "-f", "-o", output, spec.notebook]


def settings(spec: ServeSpec) -> dict[str, Any]:
    """marimo's configuration for ``spec``, to be merged over everything a student can write."""
    return {**LOCKED_SETTINGS, "runtime": {"auto_instantiate": spec.autorun}}


def environment(home: str | Path, *, python: str | Path | None = None, **extra: str) -> dict[str, str]:
    """The whole environment of a session whose private directory is ``home`` (as the session sees it).

    Built from nothing: the caller's environment is not consulted. ``python`` is the environment's
    interpreter: its directory comes first on PATH. ``extra`` is added last (for example
    ``MOGRADER_SIDECAR_PATH``).
    """
    path = [str(Path(python).parent)] if python else []
    return {
        "HOME": str(home),
        "PATH": ":".join([*path, "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_STATE_HOME": f"{home}/.local/state",
        "XDG_CACHE_HOME": f"{home}/.cache",
        **PROCESS_SETTINGS,
        **extra,
    }


#: Read by marimo and by numerical libraries while they are imported: a warm process needs them too.
PROCESS_SETTINGS: Mapping[str, str] = {
    "MARIMO_SKIP_UPDATE_CHECK": "1",
    "MARIMO_RESTRICT_SHARING": "1",
    # Only the hub reaches a session's socket, so its X-Forwarded-Proto is the truth.
    "FORWARDED_ALLOW_IPS": "*",
    # One thread pool per library, library copy and student would cost more than it gains.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def serve_command(python: str | Path, spec: ServeSpec, *, fd: int) -> list[str]:
    """The command that serves ``spec`` on the listening socket ``fd`` with the environment's ``python``."""
    return [*_isolated(python), "mograder.marimo_adapter.serve", "--fd", str(fd), dumps(spec)]


def export_command(python: str | Path, spec: ExportSpec) -> list[str]:
    """The command that runs ``spec`` once with the environment's ``python``."""
    return [*_isolated(python), "mograder.marimo_adapter.export", dumps(spec)]


def dumps(spec: ServeSpec | ExportSpec) -> str:
    """``spec`` as one line of JSON."""
    return json.dumps(asdict(spec), separators=(",", ":"))


def loads_serve(text: str) -> ServeSpec:
    """The session that ``text`` (JSON) describes. Raises ``Malformed``."""
    try:
        return ServeSpec(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise Malformed(f"A session can not be read from {text!r}: {error}") from error


def loads_export(text: str) -> ExportSpec:
    """The export that ``text`` (JSON) describes. Raises ``Malformed``."""
    try:
        return ExportSpec(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise Malformed(f"An export can not be read from {text!r}: {error}") from error


def _isolated(python: str | Path) -> list[str]:
    # -I: a marimo.py or json.py in the workspace is not imported in place of the real one. -B: no __pycache__
    # there.
    return [str(python), "-I", "-B", "-m"]


def _check_notebook(name: str) -> None:
    if not name or "/" in name or "\0" in name or name.startswith((".", "-")) or not name.endswith(".py"):
        raise NameRefused(f'"{name}" can not be a notebook: a plain file name ending in .py is needed.')
