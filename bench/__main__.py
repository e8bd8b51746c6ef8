"""``python -m bench``: measure everything that has a benchmark here."""

from __future__ import annotations

from bench import sessions


def main() -> None:
    """Print the tables and write the JSON."""
    sheet = sessions.main()
    print(f"written to {sheet.write('sessions')}")


main()
