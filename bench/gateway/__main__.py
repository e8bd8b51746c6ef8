"""``python -m bench.gateway [--rounds N] [--seconds S] [--only NAMES] [--json FILE]``: the gateway beside others.

Needs gcc; nginx and configurable-http-proxy take part if they are installed (``make bench`` does it).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.gateway.measure import NAMES, run
from bench.report import RESULTS


def main() -> int:
    """Print the tables, write the JSON; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description="The gateway beside others.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--only", default=",".join(NAMES), help="candidates, comma-separated")
    parser.add_argument("--json", type=Path, default=RESULTS / "gateway.json")
    given = parser.parse_args()
    sheet = run(given.only.split(","), given.rounds, given.seconds)
    sheet.write_to(given.json)
    print(sheet)
    return 0 if all(goal["met"] is not False for goal in sheet.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
