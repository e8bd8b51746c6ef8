"""Making one environment: venv, packages, our own copy, byte code, check, no write permission."""

from __future__ import annotations

import functools
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mograder.environments import provided
from mograder.environments.explain import is_denied, not_installed
from mograder.environments.locks import Lock
from mograder.environments.requirements import Requirements
from mograder.environments.uv import Uv, UvFailed, base_interpreter, breakable
from mograder.errors import EnvironmentFailed, UnusablePackages
from mograder.sentences import Sentence

#: What must be importable before an environment counts as one.
_CHECK = "import marimo, mograder.runtime"

#: How long that may take.
CHECK_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a build as a person would say it. ``fraction`` of the whole, 0 to 1; None if not known."""

    text: str
    fraction: float | None = None


StepObserver = Callable[[Step], None]

#: Runs a command of the new environment (a health check) and raises ``EnvironmentFailed`` if it fails. The
#: command runs packages' own code (``.pth`` files): the hub passes one that does so in a sandbox.
Check = Callable[[list[str]], None]


def run_check(command: list[str]) -> None:
    """Run ``command`` with an environment built from nothing. Raises ``EnvironmentFailed``."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    try:
        done = subprocess.run(
            command,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailed(too_slow()) from error
    if done.returncode:
        raise broken(done.stderr, done.returncode)


def too_slow() -> str:
    """What is said of an environment whose check does not end."""
    return Sentence("The new environment did not start within {seconds} s.", seconds=f"{CHECK_SECONDS:.0f}")


def broken(said: str, status: int) -> EnvironmentFailed:
    """What is said of an environment whose check failed with ``status`` and these last words."""
    lines = said.strip().splitlines() or [f"exit status {status}"]
    places = _PACKAGE.findall(said)
    reason = lines[-1].rstrip(".")
    if places:
        reason = Sentence(
            "{package} fails with {reason}", package=places[-1].removesuffix(".py"), reason=reason
        )
    return UnusablePackages(
        "The packages are installed but do not work together: {reason}.",
        tip="tell your instructor: the item has to ask for other versions in its header, and be published again.",
        reason=reason,
    )


#: A package in the words of a traceback: the last one that is named was being imported.
_PACKAGE = re.compile(r'site-packages/([^/"]+)[/"]')


def site_packages(root: Path) -> Path:
    """Where packages lie in the environment at ``root``."""
    return root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def build(root: Path, lock: Lock, uv: Uv, check: Check, on_step: StepObserver, asked: Requirements) -> None:
    """Fill ``root`` (which must not exist) with the environment of ``lock``, finished, checked and read-only.

    It may be renamed afterwards. Raises ``EnvironmentFailed``, in which ``asked`` tells file and line; what is at
    ``root`` then is for the caller to delete.
    """
    python = str(root / "bin" / "python")
    total = len(lock.packages)
    on_step(Step(Sentence("Preparing {total} packages", total=total), 0.02))
    progress = Progress(on_step)
    try:
        uv.run(["venv", "--relocatable", "--python", base_interpreter(), str(root)])
        written = root / "lock.txt"
        written.write_text(lock.text)
        words = [
            "pip",
            "sync",
            str(written),
            "--python",
            python,
            "--require-hashes",
            "--only-binary",
            ":all:",
        ]
        # Hard links would let a change in another environment, or our chmod, reach through the cache.
        _sync(uv, [*words, "--link-mode", "copy"], progress.line)
    except UvFailed as error:
        raise not_installed(error.output, lock.packages, asked) from error
    provided.copy_into(site_packages(root))
    on_step(Step(Sentence("Compiling"), 0.75))
    _compile(python, root / "lib")
    make_read_only(
        root
    )  # before the check: it may run as another user, and packages' code must change nothing
    on_step(Step(Sentence("Checking"), 0.95))
    check([python, "-I", "-B", "-c", _CHECK])


def _sync(uv: Uv, words: list[str], on_line: Callable[[str], None]) -> None:
    """Install; once more, past uv's cache, where an index denies what it had when the versions were chosen.

    Behind one address there may be several servers and caches, which do not learn of a new version at the same moment.
    Raises ``UvFailed``.
    """
    try:
        uv.run(words, on_line)
    except UvFailed as error:
        if not is_denied(error.output):
            raise
        uv.run([*words, "--refresh"], on_line)


def make_read_only(root: Path) -> None:
    """Let everyone read and nobody write, from the files up to ``root`` itself.

    Whatever the hub's umask: sessions may run as other users than the hub.
    """
    for directory, _, files in os.walk(root, topdown=False):
        for path in [*(Path(directory, name) for name in files), Path(directory)]:
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                path.chmod(0o555 if mode & 0o111 else 0o444)


def make_writable(root: Path) -> None:
    """Give the owner back the right to delete what is in ``root``."""
    root.chmod(0o700)
    for directory, names, _ in os.walk(root):
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o700)


class Progress:
    """uv's talk as steps: each package that was downloaded moves the bar."""

    _DOWNLOAD = re.compile(r"^Downloading (\S+) \((.+)\)$")
    _DOWNLOADED = re.compile(r"^ +Downloaded (\S+)$")

    def __init__(self, on_step: StepObserver) -> None:
        self._on_step = on_step
        self._coming = 0
        self._there = 0
        self._fraction = 0.05

    def line(self, text: str) -> None:
        """Take one line of what uv said; lines that mean nothing to a person are passed over."""
        if match := self._DOWNLOAD.match(text):
            self._coming += 1
            self._say(Sentence("Downloading {package} ({size})", package=match[1], size=match[2]))
        elif match := self._DOWNLOADED.match(text):
            self._there += 1
            self._say(Sentence("Downloaded {package}", package=match[1]))
        elif text.startswith("Prepared "):
            self._on_step(Step(Sentence("Installing"), 0.6))

    def _say(self, text: str) -> None:
        # New downloads are announced while others end: the bar must not go back.
        self._fraction = max(self._fraction, 0.05 + 0.5 * self._there / max(self._coming, 1))
        self._on_step(Step(text, self._fraction))


def _compile(python: str, directory: Path) -> None:
    """Byte-compile everything, once for all sessions. -S: no package's ``.pth`` file runs while we do."""
    command = [python, "-I", "-S", "-m", "compileall", "-q", "-j", "2", str(directory)]
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    # Its status says that some file did not compile: packages ship such files (templates, other Pythons).
    none = subprocess.DEVNULL
    begin = functools.partial(
        subprocess.Popen,
        command,
        cwd="/",
        env=environment,
        stdin=none,
        stdout=none,
        stderr=none,
        start_new_session=True,
    )
    with breakable(begin) as process:
        process.wait()
