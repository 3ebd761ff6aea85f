"""Real processes for the command line's tests."""

from tests.processes import command, launch, serve

__all__ = ["command", "launch", "serve"]
