"""A marimo notebook as text: pure functions, no file is opened here."""
