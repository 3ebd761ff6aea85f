"""Bytes <-> messages: what is said on a connection, how it is framed, and how much is too much."""
