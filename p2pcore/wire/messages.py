"""Every message of the protocol, as frozen msgspec structs that travel as MessagePack arrays.

Rule: data only. An array's first element is the message's tag; a request's second is its id,
which the reply repeats. Fields are only ever added at the end, with a default: an older reader
ignores elements that it does not know, a newer one fills in what is missing.

The order of the classes is the order of docs/protocol.md.
"""

import enum
from typing import Annotated

from msgspec import Meta, Struct

from p2pcore.ids import ID_BYTES
from p2pcore.wire.limits import (
    MAX_ADDRESS_CHARS,
    MAX_BATCH_ITEMS,
    MAX_CONTACTS,
    MAX_TEXT_CHARS,
    MAX_VALUE_BYTES,
)

__all__ = [
    "Contacts",
    "Failed",
    "Fetch",
    "FetchMany",
    "FindNode",
    "Found",
    "FoundItem",
    "FoundMany",
    "Get",
    "Goodbye",
    "Malformed",
    "Message",
    "Missing",
    "NotReplica",
    "Ping",
    "Pong",
    "Put",
    "PutDone",
    "Ready",
    "Reason",
    "Reply",
    "Role",
    "Settings",
    "Stale",
    "Store",
    "StoreItem",
    "StoreMany",
    "Stored",
    "StoredMany",
    "Unknown",
    "WireContact",
    "words_of",
]

VERSION_BYTES = 16

IdField = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
VersionField = Annotated[bytes, Meta(min_length=VERSION_BYTES, max_length=VERSION_BYTES)]
ValueField = Annotated[bytes, Meta(max_length=MAX_VALUE_BYTES)]
AddressField = Annotated[str, Meta(max_length=MAX_ADDRESS_CHARS)]
TextField = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
RequestId = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[int, Meta(ge=0)]


class Role(enum.IntEnum):
    """What the other side of a connection is."""

    CLIENT = 0
    NODE = 1


class Reason(enum.IntEnum):
    """Why somebody says no (in `Failed`) or leaves (in `Goodbye`)."""

    SHUTDOWN = 0  # leaving on purpose
    INCOMPATIBLE = 1  # no protocol version in common, or other network settings
    MISBEHAVED = 2  # what you sent is no message, or is not allowed now
    TOO_MANY_CONNECTIONS = 3
    IDLE = 4  # the handshake, or half a frame, did not come to its end in time
    BUSY = 5
    STORAGE_FULL = 6
    CLOCK_OFFSET = 7
    UNKNOWN_MESSAGE = 8
    NO_QUORUM = 9
    DEADLINE = 10
    SELF = 11  # you have connected to yourself
    SLOW_READER = 12  # you do not take what you asked for


def words_of(reason: int) -> str:
    """A reason in words, also one that this version does not know."""
    known = reason in Reason._value2member_map_
    return Reason(reason).name.lower().replace("_", " ") if known else f"reason {reason}"


class _Base(Struct, array_like=True, frozen=True, gc=False):
    """No message holds a reference cycle, so the collector need not look at any."""


class Settings(_Base, frozen=True):
    """The network's one setting of replication: N replicas, W writes, R reads."""

    replicas: Count
    writes: Count
    reads: Count


class WireContact(_Base, frozen=True):
    """Where a node can be found: its id and `host:port`."""

    node_id: IdField
    address: AddressField


class Ready(_Base, frozen=True, tag=0):
    """Both sides' first frame: that it came is the proof that TLS let us in.

    `address` is where a node is reached by others ("" from a client, which nobody calls);
    `settings` is empty from a client, which takes the network's.
    """

    min_version: Count
    max_version: Count
    role: Role
    address: AddressField = ""
    settings: Settings | None = None


class Goodbye(_Base, frozen=True, tag=1):
    """The last frame of somebody who closes on purpose. `reason` is a Reason, or one that a later
    version has added."""

    reason: Count
    text: TextField = ""


class Ping(_Base, frozen=True, tag=2):
    """Are you there?"""

    id: RequestId


class Pong(_Base, frozen=True, tag=3):
    """Yes."""

    id: RequestId


class FindNode(_Base, frozen=True, tag=4):
    """Which nodes do you know that are closest to `target`?"""

    id: RequestId
    target: IdField


class Contacts(_Base, frozen=True, tag=5):
    """The closest that I know, myself included, nearest first."""

    id: RequestId
    contacts: Annotated[list[WireContact], Meta(max_length=MAX_CONTACTS)]


class Store(_Base, frozen=True, tag=6):
    """Keep this version of a record. `value` None is a tombstone; `expires_ms` is wall-clock
    time since 1970, 0 for never."""

    id: RequestId
    key: IdField
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0


class Stored(_Base, frozen=True, tag=7):
    """That version is my newest now (or was already: a retry)."""

    id: RequestId


class Stale(_Base, frozen=True, tag=8):
    """I hold a newer version: this one."""

    id: RequestId
    version: VersionField


class Fetch(_Base, frozen=True, tag=9):
    """What do you hold under this key?"""

    id: RequestId
    key: IdField


class Found(_Base, frozen=True, tag=10):
    """This. `value` None is a tombstone."""

    id: RequestId
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0


class Missing(_Base, frozen=True, tag=11):
    """Nothing."""

    id: RequestId


class NotReplica(_Base, frozen=True, tag=12):
    """I am not among the N closest to that key; these are closer."""

    id: RequestId
    contacts: Annotated[list[WireContact], Meta(max_length=MAX_CONTACTS)]


class Put(_Base, frozen=True, tag=13):
    """Coordinate this write for me, within `budget_ms`."""

    id: RequestId
    key: IdField
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds
    budget_ms: Milliseconds


class PutDone(_Base, frozen=True, tag=14):
    """It has its quorum, under this version (newer than asked for, where replicas were ahead)."""

    id: RequestId
    version: VersionField
    replicas: Count
    acks: Count


class Get(_Base, frozen=True, tag=15):
    """Coordinate this read for me, within `budget_ms`. Answered by Found or Missing."""

    id: RequestId
    key: IdField
    budget_ms: Milliseconds


class Failed(_Base, frozen=True, tag=16):
    """That request can't be served, because. `reason` is a Reason, or one that a later version
    has added."""

    id: RequestId
    reason: Count
    text: TextField = ""


class StoreItem(_Base, frozen=True):
    """One record of a batch; see Store."""

    key: IdField
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0


class StoreMany(_Base, frozen=True, tag=17):
    """Keep all of these."""

    id: RequestId
    items: Annotated[list[StoreItem], Meta(max_length=MAX_BATCH_ITEMS)]


class StoredMany(_Base, frozen=True, tag=18):
    """All are stored but those at these places of the batch, which are to be put one by one."""

    id: RequestId
    others: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]


class FetchMany(_Base, frozen=True, tag=19):
    """What do you hold under these keys?"""

    id: RequestId
    keys: Annotated[list[IdField], Meta(max_length=MAX_BATCH_ITEMS)]


class FoundItem(_Base, frozen=True):
    """One answer of a batch; see Found."""

    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0


class FoundMany(_Base, frozen=True, tag=20):
    """The answers in the order of the keys, nil for nothing; those at the places in `others` are
    no answers, and are to be asked one by one."""

    id: RequestId
    items: Annotated[list[FoundItem | None], Meta(max_length=MAX_BATCH_ITEMS)]
    others: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]


Message = (
    Ready | Goodbye | Ping | Pong | FindNode | Contacts | Store | Stored | Stale | Fetch | Found
    | Missing | NotReplica | Put | PutDone | Get | Failed | StoreMany | StoredMany | FetchMany
    | FoundMany
)  # fmt: skip

Reply = (
    Pong | Contacts | Stored | Stale | Found | Missing | NotReplica | PutDone | Failed
    | StoredMany | FoundMany
)  # fmt: skip


class Unknown(Struct, frozen=True, gc=False):
    """Not on the wire: a well-formed request whose tag this version does not know."""

    id: int
    tag: int


class Malformed(Struct, frozen=True, gc=False):
    """Not on the wire: what came in is no message, and nothing after it can be read."""

    text: str
