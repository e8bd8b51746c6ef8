"""``python -m bench``: measure everything that has a benchmark here."""

from __future__ import annotations

from bench import browser, restart, sessions


def main() -> None:
    """Print the tables and write the JSON."""
    for name, bench in (("sessions", sessions.main), ("restart", restart.main), ("browser", browser.main)):
        print(f"written to {bench().write(name)}")


main()
