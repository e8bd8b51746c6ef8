"""Showing and keeping what was measured."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass
class Measure:
    """Samples of one thing by each way of doing it. ``unit`` is of the samples; less is better.

    Goals, where there are any: the ratio to the alternative is to be at least ``at_least``, the product's median at
    most ``at_most``. Nothing fails by them; the sheet says whether they were met.
    """

    name: str
    unit: str
    product: Sequence[float]
    alternative: Sequence[float]
    note: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def row(self) -> dict[str, Any]:
        ours, theirs = statistics.median(self.product), statistics.median(self.alternative)
        goals = []
        met = True
        if self.at_least is not None:
            goals.append(f"{self.at_least:g}x")
            met = met and theirs >= self.at_least * ours
        if self.at_most is not None:
            goals.append(f"{self.at_most:g} {self.unit}".rstrip())
            met = met and ours <= self.at_most
        judged = {"goal": " and ".join(goals), "met": met} if goals else {}
        return {
            "name": self.name,
            "unit": self.unit,
            "product": round(ours, 4),
            "alternative": round(theirs, 4),
            "ratio": round(theirs / ours, 2) if ours else None,
            "samples": [len(self.product), len(self.alternative)],
            "note": self.note,
            **judged,
        }


@dataclass
class Sheet:
    """All measures of one invocation."""

    title: str
    measures: list[Measure] = field(default_factory=list)

    def add(self, measure: Measure) -> None:
        self.measures.append(measure)
        row = measure.row()
        goal = f" (goal {row['goal']}: {'met' if row['met'] else 'MISSED'})" if "goal" in row else ""
        print(
            f"{row['name']:<44} {row['product']:>9} {row['alternative']:>9} {row['unit']:<4} "
            f"{row['ratio'] or '–':>7}x  n={row['samples']}{goal} {row['note']}",
            flush=True,
        )

    def head(self) -> None:
        print(f"{self.title}\n{'median of':<44} {'product':>9} {'other':>9}        ratio", flush=True)

    def write(self, name: str) -> Path:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        machine = {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "load": [round(value, 1) for value in os.getloadavg()],
            "python": platform.python_version(),
        }
        body = {
            "title": self.title,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine,
            "measures": [measure.row() for measure in self.measures],
        }
        path.write_text(json.dumps(body, indent=2) + "\n")
        return path
