"""The edge of real sockets: asyncio (or uvloop), TLS, key files.

Rule: decides nothing about the overlay or records; it carries out what the machines say.
"""
