"""State in SQLite."""
