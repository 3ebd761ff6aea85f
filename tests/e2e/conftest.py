"""Real processes for the end-to-end tests."""

from tests.processes import command, launch, serve

__all__ = ["command", "launch", "serve"]
