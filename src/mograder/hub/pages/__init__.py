"""HTML pages, thin."""
