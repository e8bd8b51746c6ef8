"""The only package that knows marimo's internals.

What runs in a notebook's own environment (``serve``, ``export``, ``warm`` and what they import) needs the
standard library, marimo, ``mograder.sandbox`` and ``mograder.errors``, nothing else.
"""
