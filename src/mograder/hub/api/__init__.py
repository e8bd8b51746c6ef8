"""JSON routes, thin."""
