"""Moodle's web services, typed."""
