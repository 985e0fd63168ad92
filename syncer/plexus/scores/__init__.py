"""Versions of scores, and their YAML files."""
