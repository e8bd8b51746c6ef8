"""``python -m mograder.sessions.engine LISTENER PLAN``: the engine's program, started in the jail by the hub."""

from __future__ import annotations

import os
import resource
import socket
import sys

from mograder.sessions.engine.plan import EnginePlan
from mograder.sessions.engine.server import Engine


def main() -> None:
    """Run the engine on an inherited listening socket."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(listener.fileno(), False)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # several descriptors for each session
    Engine(listener, EnginePlan.loads(sys.argv[2])).run()


main()
