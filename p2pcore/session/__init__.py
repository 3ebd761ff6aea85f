"""Connections as the core sees them: authenticated ids, greetings, requests and replies.

Rule: no cryptography. That a link's peer is who its id says was proved by the edge.
"""
