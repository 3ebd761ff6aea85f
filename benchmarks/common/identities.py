"""Nodes whose ids follow from names.

Which node holds which record, and how much is handed to one that joins, follows from ids. Where
they are drawn anew, two runs of one core differ by that more than by anything that they measure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.common.parts import part

__all__ = ["named"]


@contextmanager
def named(name: str) -> Iterator[None]:
    """Whoever is made here, and would draw an identity, has the one of this name; if it is empty, a
    new one as ever."""
    if not name:
        yield
        return
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    identity = part("aio.identity", "Identity")
    draw = identity.__dict__["new"]
    seed = hashlib.sha256(name.encode()).digest()
    identity.new = lambda: identity(Ed25519PrivateKey.from_private_bytes(seed))
    try:
        yield
    finally:
        identity.new = draw
