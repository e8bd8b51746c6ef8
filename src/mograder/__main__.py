"""``python -m mograder``: the same as the command ``mograder``."""

from mograder.cli import main

main()
