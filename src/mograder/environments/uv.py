"""The one place that runs uv."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mograder.errors import EnvironmentFailed

#: Not uv's business, and dangerous or misleading for the processes that it starts.
_NOT_FOR_UV = ("MOGRADER_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "UV_PYTHON", "UV_SYSTEM_PYTHON")

#: The longest that one call may take, in seconds: a first download of a large stack on a slow line.
TIME_LIMIT = 1800.0

_KEPT_LINES = 200


class UvFailed(Exception):
    """uv ended with an error; ``output`` is what it said (its last lines)."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def find_uv() -> Path:
    """The uv program that was installed with mograder. Raises ``EnvironmentFailed`` without one."""
    try:
        import uv

        return Path(uv.find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        raise EnvironmentFailed(
            "uv, which installs the notebooks' packages, is not there.",
            tip="{python} -m pip install uv",
            python=sys.executable,
        ) from error


def base_interpreter() -> str:
    """The interpreter that the hub's own environment was made from; every environment uses the same."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


@dataclass(frozen=True, slots=True)
class Uv:
    """uv with the operator's own settings (environment, ``uv.toml``) and this cache.

    ``cache_dir`` None means uv's default. ``directory`` is where it runs: it and its parents may hold a
    ``uv.toml``, so never a directory that others can write to.
    """

    directory: Path
    cache_dir: Path | None = None

    def run(self, words: Sequence[str], on_line: Callable[[str], None] | None = None) -> str:
        """Run ``uv WORDS``; its standard output. ``on_line`` gets each line of talk as it comes.

        Raises ``UvFailed`` if uv says no, ``EnvironmentFailed`` if it is absent or takes longer than
        ``TIME_LIMIT``.
        """
        command = [str(find_uv()), "--no-progress", "--color", "never", *self._cache(), *words]
        kept: deque[str] = deque(maxlen=_KEPT_LINES)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:

            def hear(line: str) -> None:
                kept.append(line)
                if on_line:
                    on_line(line)

            if self._follow(command, output, hear):
                raise UvFailed("\n".join(kept))
            output.seek(0)
            return output.read()

    def _follow(self, command: list[str], output: IO[str], on_line: Callable[[str], object]) -> int:
        begin = functools.partial(
            subprocess.Popen,
            command,
            cwd=self.directory,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        too_long = threading.Event()
        with breakable(begin) as process:

            def end() -> None:
                too_long.set()
                _end(process)

            timer = threading.Timer(TIME_LIMIT, end)
            timer.start()
            try:
                for line in process.stderr or ():
                    on_line(line.rstrip())
                code = process.wait()
            finally:
                timer.cancel()
        if too_long.is_set():
            raise EnvironmentFailed(
                "uv did not end within {minutes} minutes.", minutes=f"{TIME_LIMIT / 60:.0f}"
            )
        return code

    def _cache(self) -> list[str]:
        return ["--cache-dir", str(self.cache_dir)] if self.cache_dir else []


_breakable: set[subprocess.Popen[Any]] = set()

#: Held while one begins: between its begin and its entry here it could not be ended.
_beginning = threading.Lock()


@contextlib.contextmanager
def breakable(begin: Callable[[], subprocess.Popen[Any]]) -> Iterator[subprocess.Popen[Any]]:
    """The process that ``begin()`` starts. For as long as this takes `break_off` ends it, and this raises
    ``EnvironmentFailed`` then.

    It must lead a session of its own: what it has started ends with it.
    """
    with _beginning:
        process = begin()
        _breakable.add(process)
    with process:
        try:
            yield process
        except BaseException:
            _end(process)
            raise
        finally:
            ended = process not in _breakable
            _breakable.discard(process)
    if ended:
        raise EnvironmentFailed("The packages were not prepared: the hub was stopped meanwhile.")


def break_off() -> None:
    """End what is being resolved, installed and compiled: the program ends, and would wait for it."""
    with _beginning:
        while _breakable:
            with contextlib.suppress(KeyError):
                _end(_breakable.pop())


def _end(leader: subprocess.Popen[Any]) -> None:
    with contextlib.suppress(ProcessLookupError):
        if leader.poll() is None:  # else its number may be somebody else's
            os.killpg(leader.pid, signal.SIGKILL)


def child_environment() -> dict[str, str]:
    """The hub's environment for uv: the operator's index, proxy and certificate settings, and no secret."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_FOR_UV)}
    # A Python that appears from nowhere would be another one than the hub's, downloaded without being asked.
    return {**kept, "UV_PYTHON_DOWNLOADS": "never"}
