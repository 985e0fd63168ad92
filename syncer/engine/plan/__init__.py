"""What the next sync would do."""
