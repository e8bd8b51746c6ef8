"""The only place that knows marimo's internals."""
