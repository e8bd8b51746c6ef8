"""Turns medians into ratios, goals and a table."""

from __future__ import annotations

from typing import Any

Medians = dict[str, dict[str, float]]

# What is compared, with which candidate, and what is good enough: ("ratio", key, other, at least) or
# ("most", key, limit). Goals hold on a quiet machine.
GOALS: list[tuple[str, str, str, str, float]] = [
    ("small GET, 50 connections, against direct", "ratio", "get_rate", "direct", 0.15),
    ("small GET, 50 connections, against nginx + auth_request", "ratio", "get_rate", "nginx", 1.5),
    ("small GET, 50 connections, against httpx", "ratio", "get_rate", "httpx", 25),
    ("CPU of a small GET against an empty ASGI answer", "cost", "get_cpu_us", "empty_cpu_us", 2.2),
    ("added latency of one connection against nginx + auth_request", "added", "alone_p50_us", "nginx", 0.7),
    ("5 MB download against direct", "ratio", "big_mb_s", "direct", 0.7),
    ("5 MB download against nginx", "ratio", "big_mb_s", "nginx", 0.8),
    ("50 MB upload against direct", "ratio", "put_mb_s", "direct", 0.3),
    ("50 MB upload against nginx", "ratio", "put_mb_s", "nginx", 0.5),
    ("WebSocket echo, 100 connections, against direct", "ratio", "ws100_rate", "direct", 0.5),
    ("WebSocket echo, 100 connections, against nginx", "ratio", "ws100_rate", "nginx", 0.7),
    ("WebSocket echo, 100 connections, against httpx", "ratio", "ws100_rate", "httpx", 4),
    ("WebSocket echo, 1000 connections, against nginx", "ratio", "ws1000_rate", "nginx", 0.6),
    ("memory of an idle WebSocket, KiB", "most", "idle_ws_kib", "", 12),
    ("1000 WebSockets at once, ms", "most", "ws1000_connect_ms", "", 2000),
    ("1000 WebSockets at once, failures", "most", "ws1000_failed", "", 0),
    ("CPU of one opened marimo page (374 requests), ms", "most", "page_cpu_ms", "", 60),
]
ROWS = [
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
]


def verdicts(medians: Medians, name: str = "protocol") -> list[dict[str, Any]]:
    """Return each goal with what was reached; ``met`` is None where a candidate is missing."""
    return [_verdict(medians, name, *goal) for goal in GOALS if name in medians]


def _verdict(
    medians: Medians, name: str, what: str, kind: str, key: str, other: str, goal: float
) -> dict[str, Any]:
    ours = medians[name]
    reached: float | None = None
    if kind == "most":
        reached = ours[key]
    elif kind == "cost":
        reached = ours[key] / ours[other]
    elif other in medians and kind == "ratio":
        reached = ours[key] / medians[other][key] if medians[other][key] else None
    elif other in medians and "direct" in medians:
        base = medians["direct"][key]
        reached = (ours[key] - base) / (medians[other][key] - base)
    least = kind == "ratio"
    met = None if reached is None else reached >= goal if least else reached <= goal
    return {"what": what, "goal": f"{'>=' if least else '<='} {goal:g}", "reached": reached, "met": met}


def table(medians: Medians, judged: list[dict[str, Any]]) -> str:
    """Return both tables as text."""
    names = list(medians)
    lines = [f"{'':24}" + "".join(f"{name:>12}" for name in names)]
    for title, key, unit in ROWS:
        cells = [medians[name].get(key) for name in names]
        lines.append(
            f"{title:24}"
            + "".join(f"{'-' if c is None else format(c, ',.1f'):>12}" for c in cells)
            + f"  {unit}"
        )
    lines.append("")
    for goal in judged:
        mark = {True: "met", False: "MISSED", None: "not measured"}[goal["met"]]
        reached = "-" if goal["reached"] is None else f"{goal['reached']:.2f}"
        lines.append(f"{goal['what']:62}{goal['goal']:>9}{reached:>9}  {mark}")
    return "\n".join(lines)
