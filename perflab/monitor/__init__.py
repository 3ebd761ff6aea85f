"""Watching processes while they work."""
