"""Turns medians into ratios, goals and a table."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.report import RESULTS

Medians = dict[str, dict[str, float]]

# What is compared, how, by which figure, with whom or what, and what is good enough. "rate": ours through theirs, at
# least. "cheaper": their CPU time through ours, at least; it holds on a busy machine as well. "cost": ours through
# another figure of ours, at most. "added": our latency over direct through theirs, at most. "most": at most.
GOALS: list[tuple[str, str, str, str, float]] = [
    ("small GET, 50 connections, against configurable-http-proxy", "rate", "get_rate", "chp", 5),
    ("CPU of a small GET, against configurable-http-proxy", "cheaper", "get_cpu_us", "chp", 5),
    ("small GET, 50 connections, against nginx + auth_request", "rate", "get_rate", "nginx", 1.5),
    ("CPU of a small GET, against nginx + auth_request", "cheaper", "get_cpu_us", "nginx", 1.5),
    ("small GET, 50 connections, against direct", "rate", "get_rate", "direct", 0.15),
    ("CPU of a small GET, against httpx", "cheaper", "get_cpu_us", "httpx", 25),
    ("CPU of a small GET, against an empty ASGI answer", "cost", "get_cpu_us", "empty_cpu_us", 2.2),
    ("added latency of one connection, against nginx", "added", "alone_p50_us", "nginx", 0.7),
    ("5 MB download, against direct", "rate", "big_mb_s", "direct", 0.9),
    ("CPU of a 5 MB download, against nginx", "cheaper", "big_cpu_ms", "nginx", 0.8),
    ("50 MB upload, against direct", "rate", "put_mb_s", "direct", 0.3),
    ("CPU of a 50 MB upload, against nginx", "cheaper", "put_cpu_ms", "nginx", 0.5),
    ("WebSocket echo, 1 connection, against configurable-http-proxy", "rate", "ws1_rate", "chp", 1),
    ("WebSocket echo, 1 connection, against nginx", "rate", "ws1_rate", "nginx", 0.6),
    ("WebSocket echo, 100 connections, against direct", "rate", "ws100_rate", "direct", 0.5),
    ("WebSocket echo, 100 connections, against configurable-http-proxy", "rate", "ws100_rate", "chp", 1),
    ("WebSocket echo, 100 connections, against nginx", "rate", "ws100_rate", "nginx", 0.6),
    ("CPU of an echo, 100 connections, against nginx", "cheaper", "ws100_cpu_us", "nginx", 0.7),
    ("CPU of an echo, 100 connections, against httpx", "cheaper", "ws100_cpu_us", "httpx", 4),
    ("WebSocket echo, 1000 connections, against configurable-http-proxy", "rate", "ws1000_rate", "chp", 1),
    ("WebSocket echo, 1000 connections, against nginx", "rate", "ws1000_rate", "nginx", 0.6),
    ("CPU of an echo, 1000 connections, against nginx", "cheaper", "ws1000_cpu_us", "nginx", 0.6),
    ("memory of an idle WebSocket, KiB", "most", "idle_ws_kib", "", 12),
    ("1000 WebSockets at once, ms", "most", "ws1000_connect_ms", "", 2000),
    ("1000 WebSockets at once, failures", "most", "ws1000_failed", "", 0),
    ("500 MB at a reader that does not read, HTTP, growth in MB", "most", "stalled_get_mb", "", 4),
    ("500 MB at a reader that does not read, WebSocket, growth in MB", "most", "stalled_ws_mb", "", 4),
    ("CPU of one opened marimo page (374 requests), ms", "most", "page_cpu_ms", "", 60),
]
ROWS = [
    ("small GET, just started", "get_first_rate", "/s"),
    ("small GET, 50 conns", "get_rate", "/s"),
    ("  p50", "get_p50_us", "us"),
    ("  CPU each", "get_cpu_us", "us"),
    ("small GET, 1 conn, p50", "alone_p50_us", "us"),
    ("5 MB", "big_mb_s", "MB/s"),
    ("  CPU each", "big_cpu_ms", "ms"),
    ("5 MB chunked", "chunked_mb_s", "MB/s"),
    ("upload 50 MB", "put_mb_s", "MB/s"),
    ("  CPU each", "put_cpu_ms", "ms"),
    ("WS echo x1, p50", "ws1_p50_us", "us"),
    ("WS echo x100", "ws100_rate", "/s"),
    ("  CPU each", "ws100_cpu_us", "us"),
    ("WS echo x1000", "ws1000_rate", "/s"),
    ("  CPU each", "ws1000_cpu_us", "us"),
    ("WS 16 KB x20", "ws16k_rate", "/s"),
    ("1000 WS at once", "ws1000_connect_ms", "ms"),
    ("  failed", "ws1000_failed", ""),
    ("idle WS", "idle_ws_kib", "KiB"),
    ("500 MB unread, HTTP", "stalled_get_mb", "MB"),
    ("500 MB unread, WS", "stalled_ws_mb", "MB"),
]
MORE_IS_BETTER = ("/s", "MB/s")


def verdicts(medians: Medians, name: str = "protocol") -> list[dict[str, Any]]:
    """Return each goal with what was reached; ``met`` is None where a candidate is missing."""
    return [_verdict(medians, name, *goal) for goal in GOALS if name in medians]


def _verdict(
    medians: Medians, name: str, what: str, kind: str, key: str, other: str, goal: float
) -> dict[str, Any]:
    reached = _reached(medians, name, kind, key, other)
    least = kind in ("rate", "cheaper")
    met = None if reached is None else reached >= goal if least else reached <= goal
    return {"what": what, "goal": f"{'>=' if least else '<='} {goal:g}", "reached": reached, "met": met}


def _reached(medians: Medians, name: str, kind: str, key: str, other: str) -> float | None:
    ours = medians[name][key]
    if kind == "most":
        return ours
    if kind == "cost":
        return ours / medians[name][other] if medians[name].get(other) else None
    theirs = medians.get(other, {}).get(key)
    direct = medians.get("direct", {}).get(key)
    if not ours or not theirs or (kind == "added" and not direct):
        return None
    if kind == "added":
        return (ours - (direct or 0)) / (theirs - (direct or 0))
    return ours / theirs if kind == "rate" else theirs / ours


def ratios(medians: Medians, name: str = "protocol") -> dict[str, dict[str, float]]:
    """Return by figure how many times better than each other candidate we are; below 1 is worse."""
    found: dict[str, dict[str, float]] = {}
    for _, key, unit in ROWS:
        ours = medians.get(name, {}).get(key)
        for other in medians:
            theirs = medians[other].get(key)
            if other != name and ours and theirs:
                better = ours / theirs if unit in MORE_IS_BETTER else theirs / ours
                found.setdefault(key, {})[other] = round(better, 3)
    return found


def table(medians: Medians, judged: list[dict[str, Any]]) -> str:
    """Return what was measured, the ratios and the goals as text."""
    names = list(medians)
    others = [name for name in names if name != "protocol"]
    compared = ratios(medians)
    head = "".join(f"{name:>12}" for name in names) + "      " + "".join(f"{'x ' + n:>10}" for n in others)
    lines = [f"{'':24}{head}"]
    for title, key, unit in ROWS:
        cells = "".join(_cell(medians[name].get(key), 12, ",.1f") for name in names)
        better = "".join(_cell(compared.get(key, {}).get(name), 10, ".2f") for name in others)
        lines.append(f"{title:24}{cells}  {unit:4}{better}")
    lines.append("")
    for goal in judged:
        mark = {True: "met", False: "MISSED", None: "not measured"}[goal["met"]]
        lines.append(f"{goal['what']:68}{goal['goal']:>9}{_cell(goal['reached'], 9, '.2f')}  {mark}")
    return "\n".join(lines)


def _cell(value: float | None, width: int, form: str) -> str:
    return f"{'-' if value is None else format(value, form):>{width}}"


class GatewaySheet:
    """All that one invocation found."""

    def __init__(self, medians: Medians, rounds: int, seconds: float) -> None:
        self.medians = medians
        self.goals = verdicts(medians)
        self._length = {"rounds": rounds, "seconds": seconds}

    def __str__(self) -> str:
        return table(self.medians, self.goals)

    def write(self, name: str) -> Path:
        return self.write_to(RESULTS / f"{name}.json")

    def write_to(self, path: Path) -> Path:
        """Write it as JSON."""
        about = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "load": [round(value, 1) for value in os.getloadavg()],
        }
        whole = {"about": about, **self._length, "medians": self.medians, "ratios": ratios(self.medians)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**whole, "goals": self.goals}, indent=1) + "\n")
        return path
