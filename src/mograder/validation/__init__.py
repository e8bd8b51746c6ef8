"""One run of a notebook to its end, and what it showed."""
