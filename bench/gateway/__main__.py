"""Run the gateway's benchmarks: every candidate in every round, medians, ratios, goals.

``python -m bench.gateway [--rounds N] [--seconds S] [--only NAMES] [--json FILE]``. Needs gcc; nginx and
configurable-http-proxy take part if they are installed. Read ratios and CPU times; absolute rates are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.gateway import candidates, hub
from bench.gateway.candidates import LOAD_CORE, PATH, Running
from bench.gateway.report import table, verdicts

NAMES = ("direct", "protocol", "asgi", "nginx", "chp", "httpx")
HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "gateway.json"
PAGE_REQUESTS = 374  # that one opening of marimo's editor makes when the session serves its own files


def build(directory: Path) -> Path:
    """Compile the session and its clients."""
    program = directory / "load"
    subprocess.run(["gcc", "-O2", "-o", str(program), str(HERE / "load.c")], check=True)
    return program


class Bench:
    """All measurements of one candidate in one round."""

    def __init__(self, load: Path, seconds: float) -> None:
        self.load = load
        self.seconds = seconds
        self.headers = f"Cookie: {hub.cookie()}\r\n"

    def measure(self, candidate: Running) -> dict[str, float]:
        found: dict[str, float] = {}
        self._gets(candidate, found)
        self._bulk(candidate, found)
        self._sockets(candidate, found)
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
            (1000, 128, "ws1000"),
            (20, 16384, "ws16k"),
        ):
            used, result = self._run(candidate, "ws", PATH + "ws", str(connections), self._for(), str(size))
            found[f"{name}_rate"] = result["count"] / result["seconds"]
            found[f"{name}_p50_us"] = result["p50_us"]
            found[f"{name}_failed"] = result["failed"]
            found[f"{name}_cpu_us"] = used / max(1, result["count"]) * 1e6
            found[f"{name}_connect_ms"] = result["connect_ms"]
        if candidate.processes:
            found["idle_ws_kib"] = self._memory_of_idle(candidate)

    def _memory_of_idle(self, candidate: Running, count: int = 1000) -> float:
        before = candidate.memory()
        command = [str(self.load), "hold", str(candidate.port), PATH + "ws", str(count), self.headers]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
            assert held.stdin and held.stdout
            held.stdout.readline()
            grown = candidate.memory() - before
            held.stdin.close()
        return grown / count / 1024


def run(names: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """Measure; return the medians by candidate."""
    samples: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="gwbench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # nginx's worker may be another user
        bench = Bench(build(directory), seconds)
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
    return {
        candidate: {key: statistics.median(one[key] for one in many) for key in many[0]}
        for candidate, many in samples.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--only", default=",".join(NAMES), help="candidates, comma-separated")
    parser.add_argument("--json", type=Path, default=RESULTS)
    given = parser.parse_args()
    medians = run(given.only.split(","), given.rounds, given.seconds)
    judged = verdicts(medians)
    about = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    given.json.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "about": about,
        "rounds": given.rounds,
        "seconds": given.seconds,
        "medians": medians,
        "goals": judged,
    }
    given.json.write_text(json.dumps(whole, indent=1) + "\n")
    print(table(medians, judged))
    return 0 if all(goal["met"] is not False for goal in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
