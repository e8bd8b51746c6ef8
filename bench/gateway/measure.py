"""The gateway's benchmarks: every candidate in every round, medians of what each did.

Read ratios and CPU times; absolute rates are this machine's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.gateway import candidates
from bench.gateway.candidates import LOAD_CORE, PATH, Running
from bench.gateway.report import GatewaySheet

NAMES = ("direct", "protocol", "asgi", "nginx", "chp", "httpx")
HERE = Path(__file__).parent
WARM_UP = 4  # times as long as a measurement: node compiles what it runs often, for about six seconds
PAGE_REQUESTS = 374  # that one opening of marimo's editor makes when the session serves its own files


def build(directory: Path) -> Path:
    """Compile the session and its clients."""
    program = directory / "load"
    subprocess.run(["gcc", "-O2", "-o", str(program), str(HERE / "load.c")], check=True)
    return program


class Bench:
    """All measurements of one candidate in one round."""

    def __init__(self, load: Path, seconds: float, crowd: int) -> None:
        self.load = load
        self.seconds = seconds
        self.crowd = crowd
        self.headers = ""

    def measure(self, candidate: Running) -> dict[str, float]:
        self.headers = f"Cookie: {candidate.cookie}\r\n"
        found: dict[str, float] = {}
        _, result = self._run(candidate, "get", PATH + "small", "50", self._for(WARM_UP))
        found["get_first_rate"] = result["count"] / result["seconds"]
        self._gets(candidate, found)
        self._bulk(candidate, found)
        self._sockets(candidate, found)
        if candidate.processes:
            found["idle_ws_kib"] = self._memory_of_idle(candidate)
            found["stalled_get_mb"] = self._unread(candidate, "stall", "flood")
            found["stalled_ws_mb"] = self._unread(candidate, "hold", "ws?flood", "1")
        if candidate.name == "protocol":
            used, result = self._run(candidate, "get", "/hub/nothing", "50", self._for())
            found["empty_cpu_us"] = used / max(1, result["count"]) * 1e6
        return found

    def _for(self, factor: float = 1.0) -> str:
        return str(self.seconds * factor)

    def _run(
        self, candidate: Running, mode: str, path: str, *arguments: str
    ) -> tuple[float, dict[str, float]]:
        """Run the load; return the candidate's CPU seconds and the result."""
        before = candidate.cpu()
        command = ["taskset", "-c", str(LOAD_CORE), str(self.load), mode, str(candidate.port), path]
        done = subprocess.run(
            [*command, *arguments, self.headers], capture_output=True, text=True, check=True, timeout=300
        )
        return candidate.cpu() - before, json.loads(done.stdout)

    def _gets(self, candidate: Running, found: dict[str, float]) -> None:
        used, result = self._run(candidate, "get", PATH + "small", "50", self._for())
        found["get_rate"] = result["count"] / result["seconds"]
        found["get_failed"] = result["failed"]
        found["get_p50_us"], found["get_p99_us"] = result["p50_us"], result["p99_us"]
        found["get_cpu_us"] = used / max(1, result["count"]) * 1e6
        found["page_cpu_ms"] = found["get_cpu_us"] * PAGE_REQUESTS / 1e3
        _, result = self._run(candidate, "get", PATH + "small", "1", self._for())
        found["alone_p50_us"] = result["p50_us"]

    def _bulk(self, candidate: Running, found: dict[str, float]) -> None:
        for name in ("big", "chunked"):
            used, result = self._run(candidate, "get", PATH + name, "1", self._for())
            found[f"{name}_mb_s"] = result["bytes"] / result["seconds"] / 1e6
            found[f"{name}_cpu_ms"] = used / max(1, result["count"]) * 1e3
        used, result = self._run(candidate, "put", PATH + "api/kernel/up", "50000000", self._for())
        found["put_cpu_ms"] = used / max(1, result["count"]) * 1e3
        found["put_mb_s"] = result["bytes"] / result["seconds"] / 1e6
        found["put_failed"] = result["failed"]

    def _sockets(self, candidate: Running, found: dict[str, float]) -> None:
        for connections, size, name in (
            (1, 128, "ws1"),
            (100, 128, "ws100"),
            (self.crowd, 128, "ws1000"),
            (20, 16384, "ws16k"),
        ):
            used, result = self._run(candidate, "ws", PATH + "ws", str(connections), self._for(), str(size))
            found[f"{name}_rate"] = result["count"] / result["seconds"]
            found[f"{name}_p50_us"] = result["p50_us"]
            found[f"{name}_failed"] = result["failed"]
            found[f"{name}_cpu_us"] = used / max(1, result["count"]) * 1e6
            found[f"{name}_connect_ms"] = result["connect_ms"]

    def _memory_of_idle(self, candidate: Running) -> float:
        before = candidate.memory()
        with self._holding("hold", str(candidate.port), PATH + "ws", str(self.crowd)):
            return (candidate.memory() - before) / self.crowd / 1024

    def _unread(self, candidate: Running, mode: str, path: str, *more: str) -> float:
        """By how many MB a candidate grows while a session pushes 500 MB at a client that does not read."""
        before = highest = candidate.memory()
        with self._holding(mode, str(candidate.port), PATH + path, *more):
            end = time.monotonic() + max(1.0, 2 * self.seconds)
            while time.monotonic() < end:
                highest = max(highest, candidate.memory())
                time.sleep(0.02)  # a sample; nothing tells of growth
        return (highest - before) / 1e6

    @contextmanager
    def _holding(self, *arguments: str) -> Iterator[None]:
        command = [str(self.load), *arguments, self.headers]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
            assert held.stdin and held.stdout
            said = json.loads(held.stdout.readline())
            assert not said["failed"], f"{arguments}: {said}"
            yield
            held.stdin.close()
            assert held.wait(20) == 0, arguments


def run(
    names: Sequence[str] = NAMES, rounds: int = 3, seconds: float = 2.0, crowd: int = 1000
) -> GatewaySheet:
    """Measure, each thing for ``seconds``; "1000 connections" are ``crowd``."""
    samples: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="gwbench-", dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)  # nginx's worker may be another user
        bench = Bench(build(directory), seconds, crowd)
        with candidates.session(bench.load, directory) as (socket_path, direct):
            Path(socket_path).chmod(0o666)
            for number in range(rounds):
                for candidate in names:
                    with ExitStack() as stack:  # a fresh process each time, so that memory compares
                        running = candidates.start(stack, candidate, directory, socket_path, direct)
                        if running is None:
                            print(f"{candidate}: not installed here", file=sys.stderr)
                            continue
                        print(f"round {number + 1}/{rounds}: {candidate}", file=sys.stderr)
                        samples.setdefault(candidate, []).append(bench.measure(running))
    medians = {
        candidate: {key: statistics.median(one[key] for one in many) for key in many[0]}
        for candidate, many in samples.items()
    }
    return GatewaySheet(medians, rounds, seconds)
