"""Files on their way to a hub: a bar while they are sent, then the steps of the hub's work."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import click


class Upload:
    """Shows how far ``files`` are sent: on a terminal as a bar, else as a line; then each step as a line."""

    def __init__(self, name: str, files: Mapping[str, bytes]) -> None:
        self._name = name
        self._files = files
        self._total = sum(map(len, files.values()))
        self._bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            bar = click.progressbar(length=self._total, label=f"{self._name}: sending", file=sys.stderr)
            self._bar = bar.__enter__()
        else:
            click.echo(f"{self._name}: sending {self._total:,} bytes", err=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def parts(self) -> list[tuple[str, tuple[str, io.BytesIO, str]]]:
        """The files for httpx, which count while they are read."""
        sort = "application/octet-stream"
        return [("files", (file, _Counted(data, self._sent), sort)) for file, data in self._files.items()]

    def step(self, text: str) -> None:
        """The hub has everything and says what it does."""
        self._close()
        click.echo(f"{self._name}: {text}", err=True)

    def _sent(self, number: int) -> None:
        if self._bar is not None:
            self._bar.update(number)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


class _Counted(io.BytesIO):
    def __init__(self, data: bytes, sent: Any) -> None:
        super().__init__(data)
        self._sent = sent

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._sent(len(piece))
        return piece
