"""Ways to bring a session up."""
