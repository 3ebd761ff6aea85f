"""Counting what operations cost in a network of one process, to the call."""
