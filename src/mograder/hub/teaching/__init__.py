"""What instructors see and say."""
