"""How long clients wait at real sockets, of two commits in alternating blocks."""
