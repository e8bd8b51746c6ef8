"""A hub to attack, two students, and the ways in which one of them gets a Python to attack it with."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mograder
from tests.support.service import with_a_range

HERE = Path(__file__).parent
INSIDE = HERE.parent / "attacks" / "inside.py"
SYSTEM_PYTHON = (
    "/usr/bin/python3"  # one that a user other than root can run, wherever the tests' own Python lives
)
UNPRIVILEGED = 21500
MiB = 1 << 20


@dataclass
class Outcome:
    """What one session printed, and how it ended."""

    lines: list[str]
    verdict: dict[str, Any]
    host: dict[str, Any] = field(default_factory=dict)

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]


class World:
    """Listening sockets, files and a secret of a hub, in directories that an unprivileged user can pass."""

    def __init__(self, stack: ExitStack) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mograder-sandbox-", dir="/var/tmp"))
        # Not shutil.rmtree: one of the bombs is a tree deeper than Python's stack.
        stack.callback(subprocess.run, ["rm", "-rf", str(self.root)], check=True)
        self.root.chmod(0o755)
        self.packages = self._copy_of_the_package()
        self.secret = "canary-" + secrets.token_hex(16)  # in our memory, as the hub's would be
        self.workspaces = self._directory("workspaces")
        self._hub(stack)

    def _directory(self, name: str) -> Path:
        path = self.root / name
        path.mkdir()
        path.chmod(0o755)
        return path

    def _copy_of_the_package(self) -> Path:
        """What a sandbox needs of the package: also where the checkout itself lies below a home of mode 0700."""
        source = Path(mograder.__file__).parent
        target = self._directory("packages")
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source / "sandbox", target / "mograder" / "sandbox", ignore=ignore)
        for name in ("__init__.py", "errors.py", "sentences.py"):
            shutil.copy(source / name, target / "mograder" / name)
        for name in (HERE / "engine.py", HERE / "jailer.py", INSIDE):
            shutil.copy(name, target)
        subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)
        return target

    def _hub(self, stack: ExitStack) -> None:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        if socket.has_ipv6:
            stack.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = "hub-" + secrets.token_hex(4)
        abstract.bind("\0" + name)
        abstract.listen()
        private = self._directory("hub")
        secret = private / "secret"
        secret.write_text(self.secret)
        secret.chmod(0o644)  # readable by everybody: only the sandbox keeps it
        for which in ("hub.sock", "bob.sock"):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(private / which))
            listener.listen()
            (private / which).chmod(0o666)
        self.facts = {
            "hub_port": port,
            "hub_abstract": name,
            "hub_socket": str(private / "hub.sock"),
            "peer_socket": str(private / "bob.sock"),
            "secret_file": str(secret),
            "secret_reversed": self.secret[::-1],
            "hub_pid": os.getpid(),
            "read_only": [str(self.packages), "/opt"],
            "workspace": "/home/student/work",
        }

    def student(self, name: str) -> Path:
        """A fresh workspace with an opaque name."""
        path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.workspaces))
        path.chmod(0o755)
        os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        return path

    def order(self, words: Sequence[str], how: str, **more: Any) -> dict[str, Any]:
        """What the tests' engine is told: see ``engine``."""
        mine, peer = self.student("alice"), self.student("bob")
        (peer / "solution.py").write_text("the work of bob")
        facts = self.root / f"facts-{mine.name}.json"
        facts.write_text(json.dumps({**self.facts, "peer_directory": str(peer)}))
        facts.chmod(0o644)
        return {
            "how": how,
            "code": str(self.packages / "inside.py"),
            "words": list(words),
            "facts": str(facts),
            "workspace": str(mine),
            "peer": str(peer),
            "python": SYSTEM_PYTHON,
            "identity": None,
            "read_only": [str(self.packages)],
            "umask": 0o077,
            "limits": {},
            "cgroups": None,
            "filter": True,
            "seconds": 120.0,
            "jailer_python": None,
            **more,
        }

    def unprivileged(self, words: Sequence[str], how: str, **more: Any) -> Outcome:
        """In a sandbox that an ordinary user made, with no jail around it."""
        order = self.order(words, how, **more)
        script = str(self.packages / "engine.py")
        return _outcome(
            self._run([SYSTEM_PYTHON, "-I", script, str(self.packages)], order=order, user=UNPRIVILEGED)
        )

    def jailed(
        self, words: Sequence[str], how: str, *, as_user: str, use_cgroups: bool = False, **more: Any
    ) -> Outcome:
        """In a sandbox in the jail, with the identities that ``as_user`` can have: root, subuid or shared."""
        order = self.order(words, how, **more)
        order |= {
            "use_cgroups": use_cgroups,
            "engine": str(self.packages / "engine.py"),
            "root": str(self.workspaces),
            "show": [str(self.packages), order["facts"]],
            "workspace_outside": order["workspace"],
            "peer_outside": order["peer"],
            "workspace": f"/workspaces/{Path(order['workspace']).name}",
            "peer": f"/workspaces/{Path(order['peer']).name}",
        }
        python = order["jailer_python"] or (sys.executable if as_user == "root" else SYSTEM_PYTHON)
        command = [python, "-I", str(self.packages / "jailer.py"), str(self.packages)]
        if as_user == "subuid":
            command = [*with_a_range(self.root / "etc", UNPRIVILEGED), *command]
        user = UNPRIVILEGED if as_user == "shared" else None
        lines = self._run(command, order=order, user=user, environment=self._hubs_environment())
        host = json.loads(lines.pop())
        outcome = _outcome(lines)
        outcome.host = host | {"workspace": order["workspace_outside"], "peer": order["peer_outside"]}
        return outcome

    def unconfined(self, words: Sequence[str]) -> Outcome:
        """No sandbox at all: the same code as an ordinary user, to prove that the attacks can succeed."""
        order = self.order(words, "none")
        facts = json.loads(Path(order["facts"]).read_text()) | {"workspace": order["workspace"]}
        Path(order["facts"]).write_text(json.dumps(facts))
        command = [SYSTEM_PYTHON, "-I", str(self.packages / "inside.py"), words[0], "@" + order["facts"]]
        environment = self._hubs_environment()
        lines = self._run(command, user=UNPRIVILEGED, cwd=order["workspace"], environment=environment)
        return Outcome(lines=lines, verdict={})

    def _hubs_environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HUB_SECRET": self.secret}

    def python(self, program: str) -> str:
        """What a program prints that an ordinary user runs, with the package importable."""
        path = Path(tempfile.mkstemp(dir=self.packages, suffix=".py")[1])
        path.write_text(program)
        path.chmod(0o644)
        return "\n".join(self._run([SYSTEM_PYTHON, str(path)], user=UNPRIVILEGED))

    def _run(
        self,
        command: list[str],
        *,
        order: dict[str, Any] | None = None,
        user: int | None = None,
        cwd: str = "/",
        environment: dict[str, str] | None = None,
    ) -> list[str]:
        identity: dict[str, Any] = {}
        if user is not None:
            identity = {"user": user, "group": user, "extra_groups": []}
        done = subprocess.run(
            command,
            input=json.dumps(order),
            env=environment or {},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=150,
            **identity,
        )
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
        return done.stdout.splitlines()


def _outcome(lines: list[str]) -> Outcome:
    return Outcome(lines=lines[:-1], verdict=json.loads(lines[-1]))
