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
    """Samples of one thing by each way of doing it. ``unit`` is of the samples; less is better."""

    name: str
    unit: str
    product: Sequence[float]
    alternative: Sequence[float]
    note: str = ""

    def row(self) -> dict[str, Any]:
        ours, theirs = statistics.median(self.product), statistics.median(self.alternative)
        return {
            "name": self.name,
            "unit": self.unit,
            "product": round(ours, 4),
            "alternative": round(theirs, 4),
            "ratio": round(theirs / ours, 2) if ours else None,
            "samples": [len(self.product), len(self.alternative)],
            "note": self.note,
        }


@dataclass
class Sheet:
    """All measures of one invocation."""

    title: str
    measures: list[Measure] = field(default_factory=list)

    def add(self, measure: Measure) -> None:
        self.measures.append(measure)
        row = measure.row()
        print(
            f"{row['name']:<44} {row['product']:>9} {row['alternative']:>9} {row['unit']:<4} "
            f"{row['ratio'] or '–':>7}x  n={row['samples']} {row['note']}",
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
