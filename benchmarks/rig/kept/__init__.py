"""Bringing measurements together and keeping them: `python -m benchmarks history`."""
