"""Measurements: the product beside its alternatives, in one invocation, as tables and JSON."""
