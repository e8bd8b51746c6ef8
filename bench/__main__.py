"""``python -m bench``: measure everything that has a benchmark here."""

from __future__ import annotations

from bench import browser, courses, restart, sessions


def main() -> None:
    """Print the tables and write the JSON."""
    benches = (
        ("sessions", sessions.main),
        ("restart", restart.main),
        ("courses", courses.main),
        ("browser", browser.main),
    )
    for name, bench in benches:
        print(f"written to {bench().write(name)}")


main()
