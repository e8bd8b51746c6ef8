"""Live notebooks: one running marimo server each."""
