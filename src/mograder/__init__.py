"""mograder hub: live marimo notebooks for a whole course."""

__version__ = "0.1.0"
