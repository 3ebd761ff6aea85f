"""Versions, quorums and repair: how N copies behave as one record."""
