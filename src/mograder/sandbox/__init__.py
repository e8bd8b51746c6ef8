"""What a confined process may see and use."""
