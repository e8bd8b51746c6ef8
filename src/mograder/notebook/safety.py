"""A courtesy scan for code that has no place in coursework. It protects nobody: the sandbox does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from mograder.notebook.bindings import imported_name
from mograder.notebook.read import Notebook
from mograder.sentences import Sentence

# Starting programs, raw network access, memory and interpreter internals. Not here: what coursework does use
# (os.path, pathlib, requests, pickle, multiprocessing).
_MODULES = frozenset(
    {
        "_ctypes", "_posixsubprocess", "_socket", "_winapi", "cffi", "codeop", "ctypes", "fcntl", "ftplib", "gdb",
        "paramiko", "pexpect", "poplib", "posix", "pty", "ptyprocess", "resource", "runpy", "sh", "smtplib",
        "socket", "socketserver", "subprocess", "telnetlib", "termios",
    }
)  # fmt: skip
_BUILTINS = frozenset({"__import__", "compile", "eval", "exec"})
_FUNCTIONS = {
    "os": frozenset(
        {
            "_exit", "abort", "chown", "chroot", "fork", "forkpty", "kill", "killpg", "link", "mkfifo", "mknod",
            "popen", "posix_spawn", "posix_spawnp", "ptrace", "setuid", "startfile", "symlink", "system",
        }
    ),
    "shutil": frozenset({"chown", "rmtree"}),
    "sys": frozenset({"_getframe", "setprofile", "settrace"}),
    "importlib": frozenset({"import_module"}),
    "asyncio": frozenset({"create_subprocess_exec", "create_subprocess_shell"}),
}  # fmt: skip
_PREFIXES = {"os": ("exec", "spawn")}
_ATTRIBUTES = frozenset(
    {
        "__builtins__",
        "__globals__",
        "__loader__",
        "__subclasses__",
        "f_back",
        "f_globals",
        "gi_frame",
        "tb_frame",
    }
)
# Where a check writes its result: nobody but the runtime has business there.
_RESULTS_FILE = "MOGRADER_SIDECAR"


MAX_FINDINGS = 30


@dataclass(frozen=True)
class Finding:
    """``what`` was found in line ``lineno``; ``str()`` gives the sentence for the student."""

    lineno: int
    what: str

    @property
    def sentence(self) -> Sentence:
        """For the student."""
        return Sentence("Line {line}: {what} has no place in coursework.", line=self.lineno, what=self.what)

    def __str__(self) -> str:
        return str(self.sentence)


def scan(notebook: Notebook, release: Notebook | None = None) -> list[Finding]:
    """What ``notebook`` imports or calls that coursework does not: the first of it, in the order of the lines.

    What the ``release`` itself uses is the author's choice, and is not found.
    """
    given = {finding.what for finding in _findings(release.tree)} if release else set()
    found = {finding for finding in _findings(notebook.tree) if finding.what not in given}
    return sorted(found, key=lambda finding: (finding.lineno, finding.what))[:MAX_FINDINGS]


def _findings(tree: ast.Module) -> Iterator[Finding]:
    modules = _module_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (_import(node, alias.name) for alias in node.names if _is_refused(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from _from_import(node, node.module)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _BUILTINS:
            yield Finding(node.lineno, f"`{node.func.id}()`")
        elif isinstance(node, ast.Attribute):
            yield from _attribute(node, modules)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _RESULTS_FILE in node.value:
            yield Finding(node.lineno, f"`{_RESULTS_FILE}_PATH`")


def _module_names(tree: ast.Module) -> dict[str, str]:
    """Which name stands for which watched module: ``import os as o`` gives ``{"o": "os"}``."""
    return {
        imported_name(alias): alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.partition(".")[0] in _FUNCTIONS
    }


def _is_refused(module: str) -> bool:
    return module.partition(".")[0] in _MODULES


def _import(node: ast.stmt, module: str) -> Finding:
    return Finding(node.lineno, f"`import {module.partition('.')[0]}`")


def _from_import(node: ast.ImportFrom, module: str) -> Iterator[Finding]:
    if _is_refused(module):
        yield _import(node, module)
    for alias in node.names:
        if _is_watched(module, alias.name):
            yield Finding(node.lineno, f"`{module}.{alias.name}`")


def _attribute(node: ast.Attribute, modules: dict[str, str]) -> Iterator[Finding]:
    if node.attr in _ATTRIBUTES:
        yield Finding(node.lineno, f"`.{node.attr}`")
    if isinstance(node.value, ast.Name):
        module = modules.get(node.value.id, "")
        if _is_watched(module, node.attr):
            yield Finding(node.lineno, f"`{module}.{node.attr}`")


def _is_watched(module: str, name: str) -> bool:
    return name in _FUNCTIONS.get(module, ()) or name.startswith(_PREFIXES.get(module, "\0"))
