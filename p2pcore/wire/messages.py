"""Every message of the protocol, as frozen msgspec structs that travel as MessagePack arrays.

Rule: data only. An array's first element is the message's tag; a request's second is its id,
which the reply repeats. Fields are only ever added at the end, with a default: an older reader
ignores elements that it does not know, a newer one fills in what is missing.

A request's `budget` is what is left of its asker's time, an answer's `delay` how long the request
had waited; each in steps that fit into a byte (`p2pcore/effects.py`), 0: not said, or nearly none.

The order of the classes is the order of docs/protocol.md.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, field

from p2pcore.wire import comparing, listing, probing
from p2pcore.wire.comparing import *  # noqa: F403
from p2pcore.wire.comparing import Entry
from p2pcore.wire.limits import (
    MAX_BATCH_ITEMS,
    MAX_CONTACTS,
    MAX_COUNTERS,
    MAX_DRAWN,
    MAX_PEERS,
)
from p2pcore.wire.listing import *  # noqa: F403
from p2pcore.wire.listing import ListedName
from p2pcore.wire.parts import (
    AddressField,
    Base,
    Count,
    IdField,
    Milliseconds,
    NameField,
    Reply,
    Request,
    RequestId,
    Step,
    TextField,
    UntimedReply,
    ValueField,
    VersionField,
    WirePeer,
)
from p2pcore.wire.probing import *  # noqa: F403
from p2pcore.wire.reasons import Reason, Role, words_of

__all__ = [
    "MESSAGES", "REPLIES", "Confirm", "Confirmed", "Contacts", "Drawn", "Failed", "Fetch",
    "FetchMany", "FindNode", "Found", "FoundItem", "FoundMany", "Get", "Goodbye", "Inspect",
    "Inspected", "Leaving", "Malformed", "Mark", "Marked", "Message", "Missing", "NotReady",
    "NotReplica", "Ping", "Pong", "Put", "PutDone", "Ready", "Reason", "Reply", "Request", "Role",
    "Settings", "Stale", "Store", "StoreItem", "StoreMany", "Stored", "StoredMany", "Unknown",
    "WireContact", "WirePeer", "words_of",
    *comparing.__all__, *listing.__all__, *probing.__all__,
]  # fmt: skip


class Settings(Base, frozen=True):
    """The network's one setting of replication: N replicas, W writes, R reads."""

    replicas: Count
    writes: Count
    reads: Count


class WireContact(Base, frozen=True):
    """Where a node can be found: its id and `host:port`."""

    node_id: IdField
    address: AddressField


class Ready(Base, frozen=True, tag=0):
    """Both sides' first frame: that it came is the proof that TLS let us in.

    `address` is where a node is reached by others ("" from a client, which nobody calls);
    `settings` is empty from a client, which takes the network's.
    """

    min_version: Count
    max_version: Count
    role: Role
    address: AddressField = ""
    settings: Settings | None = None


class Goodbye(Base, frozen=True, tag=1):
    """The last frame of somebody who closes on purpose, but for replies after SURPLUS. `reason` is
    a Reason, or one that a later version has added."""

    reason: Count
    text: TextField = ""


class Ping(Request, frozen=True, tag=2):
    """Asks for a sign of life."""


class Pong(UntimedReply, frozen=True, tag=3):
    """Answers a Ping."""


class FindNode(Request, frozen=True, tag=4):
    """Asks for the contacts closest to `target`."""

    bulky: ClassVar[bool] = True
    target: IdField


class Contacts(UntimedReply, frozen=True, tag=5):
    """Answers FindNode: the closest known, the sender included, nearest first."""

    contacts: Annotated[list[WireContact], Meta(max_length=MAX_CONTACTS)]


class Store(Request, frozen=True, tag=6):
    """Keep this version of a record. `value` None is a tombstone; `expires_ms` is wall-clock
    time since 1970, 0 for never. A listed record has its `name`, of which the key is the hash."""

    key: IdField
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0
    budget: Step = 0
    name: ListedName | None = None


class Stored(Reply, frozen=True, tag=7):
    """Answers Store: that version is the replica's newest now (or was already: a retry)."""

    delay: Step = 0


class Stale(Reply, frozen=True, tag=8):
    """Answers Store: the replica holds this newer version."""

    version: VersionField
    delay: Step = 0


class Fetch(Request, frozen=True, tag=9):
    """Asks for the record of a key."""

    bulky: ClassVar[bool] = True
    key: IdField
    budget: Step = 0


class Found(Reply, frozen=True, tag=10):
    """Answers Fetch or Get: the record. `value` None is a tombstone."""

    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0
    delay: Step = 0
    name: ListedName | None = None


class Missing(Reply, frozen=True, tag=11):
    """Answers Fetch or Get: there is no record of that key."""

    delay: Step = 0


class NotReplica(Reply, frozen=True, tag=12):
    """The node is not among the N closest to that key; these are closer."""

    contacts: Annotated[list[WireContact], Meta(max_length=MAX_CONTACTS)]
    delay: Step = 0


class Put(Request, frozen=True, tag=13):
    """Asks a node to coordinate this write, within `budget_ms`."""

    key: IdField
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds
    budget_ms: Milliseconds
    name: ListedName | None = None


class PutDone(UntimedReply, frozen=True, tag=14):
    """Answers Put: the write has its quorum, under this version (newer than asked for, where
    replicas were ahead)."""

    version: VersionField
    replicas: Count
    acks: Count


class Get(Request, frozen=True, tag=15):
    """Asks a node to coordinate this read, within `budget_ms`. Found or Missing answers it."""

    bulky: ClassVar[bool] = True
    key: IdField
    budget_ms: Milliseconds


class Failed(Reply, frozen=True, tag=16):
    """The request can't be served. `reason` is a Reason, or one that a later version has added."""

    reason: Count
    text: TextField = ""
    delay: Step = 0


class StoreItem(Base, frozen=True):
    """One record of a batch; see Store."""

    key: IdField
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0
    name: ListedName | None = None


class StoreMany(Request, frozen=True, tag=17):
    """Asks a replica to keep all of these records."""

    items: Annotated[list[StoreItem], Meta(max_length=MAX_BATCH_ITEMS)]
    budget: Step = 0


class StoredMany(Reply, frozen=True, tag=18):
    """Answers StoreMany: all are stored but those at these places of the batch, which the client
    puts one by one."""

    others: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]
    delay: Step = 0


class FetchMany(Request, frozen=True, tag=19):
    """Asks for the records of these keys."""

    bulky: ClassVar[bool] = True
    keys: Annotated[list[IdField], Meta(max_length=MAX_BATCH_ITEMS)]
    held: bool = False  # answer with what you hold, though you may be no replica: for hand-offs
    budget: Step = 0


class FoundItem(Base, frozen=True):
    """One answer of a batch; see Found."""

    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0
    name: ListedName | None = None


class FoundMany(Reply, frozen=True, tag=20):
    """Answers FetchMany in the order of the keys; nil: no record. The places in `others` have no
    answer: the client asks for these keys one by one."""

    items: Annotated[list[FoundItem | None], Meta(max_length=MAX_BATCH_ITEMS)]
    others: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]
    delay: Step = 0


class NotReady(Reply, frozen=True, tag=21):
    """The node is a replica of that key, but was not handed its range yet: its answer does not
    count. What it was sent to store is stored."""

    delay: Step = 0


class Confirm(Request, frozen=True, tag=26):
    """Asks if a node holds these versions, or newer ones."""

    entries: Annotated[list[Entry], Meta(max_length=MAX_BATCH_ITEMS)]


class Confirmed(UntimedReply, frozen=True, tag=27):
    """Answers Confirm: the node lacks those at the places in `lacking`, and does not count for
    those in `unready`."""

    lacking: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]
    unready: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]


class Leaving(Request, frozen=True, tag=28):
    """The sender leaves and hands over its records: they are placed without it. Not answered."""


class Inspect(Request, frozen=True, tag=29):
    """Asks for a node's state and counters; and, with `peers`, what it thinks of others."""

    bulky: ClassVar[bool] = True
    peers: bool = False


class Inspected(UntimedReply, frozen=True, tag=30):
    """Answers Inspect, at one moment. `uptime_ms` counts from when the node began to serve;
    `counters` never go back while it runs, and each version has its own."""

    software: NameField
    uptime_ms: Milliseconds
    ready: bool
    members: Count  # other nodes in the contact table
    links: Count
    records: Count  # tombstones included
    record_bytes: Count  # what they are counted as, overheads included
    capacity_bytes: Count
    counters: Annotated[dict[NameField, Count], Meta(max_length=MAX_COUNTERS)]
    durability: NameField = "memory"  # "synced", "buffered" or "memory"
    peers: Annotated[list[WirePeer], Meta(max_length=MAX_PEERS)] = field(default_factory=list)
    """Of those that it is linked to, the worst."""


class Mark(Request, frozen=True, tag=31):
    """Asks a node to note its clock; with an id, to send what it noted. Marks stand around a
    request that is traced: see `session/trace.py`."""

    id: RequestId = 0


class Marked(UntimedReply, frozen=True, tag=32):
    """When this mark was read, and when the turns of the one before and of this one came. Only
    differences mean anything."""

    read_ns: Count
    turn_ns: Count
    done_ns: Count


class Drawn(UntimedReply, frozen=True, tag=41):
    """Answers Draw, in order; nil: no such record. There was no room for those at the places in
    `others`."""

    items: Annotated[list[StoreItem | None], Meta(max_length=MAX_DRAWN)]
    others: Annotated[list[Count], Meta(max_length=MAX_DRAWN)]


Message = Ready | Goodbye | Request | Reply


def _kinds(base: type[Base]) -> Iterator[tuple[int, type[Base]]]:
    """The classes with a tag below this one, behind their tags."""
    for kind in base.__subclasses__():
        tag = kind.__struct_config__.tag
        if isinstance(tag, int):
            yield tag, kind
        yield from _kinds(kind)


MESSAGES = tuple(kind for _, kind in sorted(_kinds(Base)))
REPLIES = tuple(kind for kind in MESSAGES if issubclass(kind, Reply))


class Unknown(Struct, frozen=True, gc=False):
    """Not on the wire: a well-formed request whose tag this version does not know."""

    id: int
    tag: int


class Malformed(Struct, frozen=True, gc=False):
    """Not on the wire: what came in is no message, and nothing after it can be read."""

    text: str
