"""Plexus: its models described once, its wire, and (later) its public classes."""
