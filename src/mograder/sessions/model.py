"""The words of sessions: what one is named by, how it stands, what brings one up."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from mograder.marimo_adapter.options import ServeSpec

Kind = Literal["edit", "run"]


class State(StrEnum):
    """``starting → ready → stopping → gone``, or ``failed`` with a reason."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Whose session of what. There is at most one session for a key."""

    kind: Kind
    user: str
    item: str

    @property
    def path(self) -> str:
        """Where the session lives below the hub's root, without slashes at the ends."""
        return f"{self.kind}/user/{self.user}/{self.item}"


@dataclass(frozen=True, slots=True)
class Handle:
    """What a launcher needs to find its session again, also in another process: plain JSON data."""

    pid: int
    started: float  # the process's start in clock ticks since boot: tells it from a later one with its number
    extra: dict[str, Any] = field(default_factory=dict)

    def dumps(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Handle:
        """The handle that `dumps` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Use:
    """What a session uses now: its memory, and the processor time that it took since its start."""

    memory_bytes: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What is prepared for a session: where it works, with which interpreter, and what it serves."""

    workspace: Path
    python: Path
    serve: ServeSpec
    environment: str = ""  # id of the environment, for the registry
    scratch: Path | None = None  # removed when the session ends
    learn_from: Path | None = None  # the published notebook: a warm process learns from it what to import


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """All that a launcher is told. ``directory`` is the session's own: home, log, nothing of anybody else."""

    session_id: str
    key: SessionKey
    plan: LaunchPlan
    socket: Path
    directory: Path

    @property
    def log(self) -> Path:
        """Where the session's output goes; capped."""
        return self.directory / "output.log"


@dataclass(slots=True)
class Session:
    """A session as the hub knows it. Times are seconds since the epoch."""

    id: str
    key: SessionKey
    state: State
    socket: Path
    directory: Path
    started: float
    last_seen: float
    environment: str = ""
    notebook: str = ""
    scratch: Path | None = None
    handle: Handle | None = None
    reason: str = ""
    open_sockets: int = 0
    loading: bool = False  # a browser has asked for the page, and not opened its WebSocket yet
    saved: float | None = None  # when the notebook's file was last seen being written
    saving: str = ""  # how far the last save is: begun, done, failed, left (its browser did not wait)

    @property
    def unsaved(self) -> bool:
        """Whether the last save came to nothing: the browser has something that the file has not."""
        return self.saving in ("failed", "left")

    @property
    def url(self) -> str:
        """Relative to the hub's root."""
        return f"{self.key.path}/"

    @property
    def live(self) -> bool:
        """Whether it can be used, now or in a moment."""
        return self.state in (State.STARTING, State.READY)
