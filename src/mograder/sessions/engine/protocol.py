"""The words between the hub and the session engine: JSON packets with descriptors (`marimo_adapter.control`).

The hub asks ``{"do": …, "id": …}`` and gets ``{"id": …, …}``, with ``error`` and ``kind`` if it went wrong. Unasked,
the engine says ``{"event": "ended", "session": …, "reason": …, "status": …, "detail": …}``.

=========  ==============================================  ========================================
do         with                                            answer
=========  ==============================================  ========================================
hello      ``protocol``                                    ``protocol``, ``version``, ``alive``, ``ended``
launch     an ``Order`` as a dict; listener and log        ``how``: "warm" or "fresh"
stop       ``session``                                     (when every process of it is gone)
warm       ``environment``, ``python``, ``notebook``,      (at once)
           ``limits`` of its sessions
status                                                     ``environments``: id -> words
usage                                                      ``sessions``: id -> bytes, ``cpu``: id -> seconds
quit                                                       (the engine and all sessions end)
=========  ==============================================  ========================================

``hello``, ``stop``, ``quit`` and the news of ends mean the same in every protocol, for ever: with them a hub lets an
engine of an earlier version go, which keeps its sessions until they end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from mograder import __version__
from mograder.sentences import unpacked

PROTOCOL = 3
"""Changes when an engine and a hub of different versions would misunderstand each other."""


def is_ours(hello: Mapping[str, Any]) -> bool:
    """Whether an engine that answered so is of this version: it has this version's code in memory, and its traps."""
    return hello.get("protocol") == PROTOCOL and hello.get("version") == __version__


HOW_FORKED, HOW_FRESH = "warm", "fresh"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One session to bring up.

    ``spec`` is the JSON of a ``ServeSpec`` or ``ExportSpec`` (``task`` says which), ``environment`` and ``python``
    name the environment, ``notebook`` is what its warm process learns from, ``workspace`` is the directory that the
    session may write, ``directory`` where in it the notebook lies. ``limits`` are the fields of a ``Limits``.
    ``wall_seconds`` is how long it may run, whether or not there is a hub to end it (0: as long as it likes).
    """

    session: str
    task: str
    spec: str
    environment: str
    python: str
    workspace: str
    slot: int
    directory: str = ""
    notebook: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    wall_seconds: float = 0.0

    def message(self) -> dict[str, Any]:
        """As the body of a request."""
        return asdict(self)


@dataclass(frozen=True)
class Ended:
    """Why a session is gone. ``reason`` is memory, disk, processes, time, stopped, or "" (by itself)."""

    session: str
    reason: str = ""
    status: int = 0
    detail: str = ""

    @classmethod
    def told(cls, message: Mapping[str, Any]) -> Self:
        """As an engine of any version tells it."""
        return cls(**unpacked({name: message[name] for name in cls.__dataclass_fields__ if name in message}))
