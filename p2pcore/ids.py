"""Names in the 256-bit space that nodes and records share.

Rule: pure functions of bytes. SHA-256 stands here because it *places* things; proving who
somebody is, is the edge's work.

Source: Maymounkov and Mazières, "Kademlia: A Peer-to-peer Information System Based on the XOR
Metric", section 2.1 (the metric); the ids are SHA-256 where the paper uses SHA-1.
"""

from collections.abc import Iterable
from hashlib import sha256
from itertools import pairwise
from typing import NewType

from p2pcore.errors import UsageError

__all__ = [
    "ID_BITS",
    "ID_BYTES",
    "Key",
    "NodeId",
    "deciding_bits",
    "key_of",
    "node_id_of",
    "shared_prefix_bits",
]

ID_BITS = 256
ID_BYTES = ID_BITS // 8

# Where a thing is made or met in every operation, it is declared to be one of these and not passed
# through the type, whose call takes 565 instructions.

NodeId = NewType("NodeId", bytes)
"""32 bytes: the SHA-256 of a node's Ed25519 public key."""

Key = NewType("Key", bytes)
"""32 bytes: the SHA-256 of an application's key, and the place of its record."""

MAX_NAME_BYTES = 64 * 1024  # A key travels as its hash; this only refuses what cannot be meant.


def key_of(name: str | bytes) -> Key:
    """The place of the record that an application calls `name` (text is taken as UTF-8).

    Raises:
        UsageError: the name is empty, longer than 64 KiB, or neither text nor bytes.
    """
    if isinstance(name, str):
        try:
            name = name.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"a key of text must have a UTF-8 form: {error}") from None
    elif not isinstance(name, bytes):
        raise UsageError(f"a key is str or bytes, not {type(name).__name__}")
    if not 0 < len(name) <= MAX_NAME_BYTES:
        raise UsageError(f"a key has 1 to {MAX_NAME_BYTES} bytes, this one has {len(name)}")
    key: Key = sha256(name).digest()  # type: ignore[assignment]
    return key


def node_id_of(public_key: bytes) -> NodeId:
    """The id of the node that holds the Ed25519 key whose 32 raw public bytes are given."""
    return NodeId(sha256(public_key).digest())


def shared_prefix_bits(a: int, b: int) -> int:
    """How many leading bits two points have in common: 0 to 256."""
    return ID_BITS - (a ^ b).bit_length()


def deciding_bits(points: Iterable[int]) -> int:
    """How many leading bits of a point decide in which order these points are close to it.

    Of two points, the one closer to a third is decided by a single bit of the third: the first in
    which the two differ. So it is one bit more than the longest prefix that any two share, and
    those two are neighbours in numerical order.
    """
    return max((shared_prefix_bits(a, b) + 1 for a, b in pairwise(sorted(points))), default=0)
