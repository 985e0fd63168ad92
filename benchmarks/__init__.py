"""Plain scripts that measure our own work against raw work in the same run: ``python -m benchmarks``."""
