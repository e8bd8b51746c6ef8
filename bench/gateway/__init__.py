"""Measures the gateway beside other ways to carry the same bytes: ``python -m bench.gateway``."""
