"""The one place where bubblewrap is started: its arguments, what it inherits, what it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from mograder.errors import SandboxError, exhausted

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def find() -> str:
    """The path of the ``bwrap`` program. Raises SandboxError when the machine has none."""
    path = shutil.which("bwrap", path=_SYSTEM_PATH)
    if path is None:
        raise SandboxError(
            "There is no bubblewrap: no bwrap in {path}.",
            tip="apt install bubblewrap (0.8 or newer)",
            path=_SYSTEM_PATH,
        )
    return path


class Arguments:
    """An argument vector for bwrap, and the descriptors that belong to it.

    Close it (``with``) after the start.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.descriptors: list[int] = []
        self._passable: set[str] = set()

    def __enter__(self) -> Arguments:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()

    def add(self, *words: object) -> None:
        self.words += [str(word) for word in words]

    def bind(self, option: str, outside: object, inside: str) -> None:
        """A mount.

        The directories above it become passable for everybody: bubblewrap would make them private.
        """
        for parent in reversed(Path(inside).parents[:-1]):
            if str(parent) not in self._passable:
                self._passable.add(str(parent))
                self.add("--dir", parent)
        self.add(option, outside, inside)

    def data(self, content: bytes) -> int:
        """A descriptor from which ``content`` can be read once."""
        descriptor = os.memfd_create("bubblewrap")
        self.descriptors.append(descriptor)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def file(self, text: str, inside: str, mode: str = "0444") -> None:
        """A small read-only file with this text."""
        self.add("--perms", mode, "--ro-bind-data", self.data(text.encode()), inside)

    def start(
        self,
        payload: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
        descriptors: Sequence[int] = (),
        before: Callable[[], None] | None = None,
        through: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start bwrap with ``payload`` inside.

        ``before`` runs in the child, still with the starter's rights; ``through`` is a program with arguments
        that ends by executing the rest of its command line.

        Its process one can be looked at from inside, so nothing is left there to see: bwrap gets an empty
        environment, its arguments through a descriptor, and no descriptor that was not named. Raises
        SandboxError; Unavailable where the machine has run out of something.
        """
        program = find()
        arguments = self.data(b"\0".join(os.fsencode(word) for word in self.words))
        try:
            return subprocess.Popen(
                [*through, program, "--args", str(arguments), "--", *payload],
                env={},
                cwd="/",
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=[*self.descriptors, *descriptors],
                preexec_fn=before,
            )
        except OSError as error:
            raise exhausted(error) or SandboxError(
                "bubblewrap could not be started: {error}.", error=error
            ) from error
