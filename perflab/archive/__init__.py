"""Bringing measurements together and keeping them: `python -m perflab history`."""
