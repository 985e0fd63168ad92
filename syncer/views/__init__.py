"""What people ask of the file: read only."""
