"""Bringing the remote's records into the file."""
