"""Every message of the protocol, as frozen msgspec structs that travel as MessagePack arrays.

Rule: data only. An array's first element is the message's tag; a request's second is its id,
which the reply repeats. Fields are only ever added at the end, with a default: an older reader
ignores elements that it does not know, a newer one fills in what is missing.

The order of the classes is the order of docs/protocol.md.
"""

from typing import Annotated

from msgspec import Meta, Struct

from p2pcore.address import MAX_ADDRESS_CHARS
from p2pcore.ids import ID_BYTES
from p2pcore.wire.limits import (
    MAX_BATCH_ITEMS,
    MAX_CONTACTS,
    MAX_COUNTERS,
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    MAX_VALUE_BYTES,
    SLOTS,
)
from p2pcore.wire.reasons import Reason, Role, words_of

__all__ = [
    "Confirm", "Confirmed", "Contacts", "Entry", "Failed", "Fetch", "FetchMany", "FindNode",
    "Found", "FoundItem", "FoundMany", "Get", "Goodbye", "Inspect", "Inspected", "Leaving",
    "ListKeys", "Listed", "Malformed", "Mark", "Marked", "Message", "Missing", "NotReady",
    "NotReplica", "Ping", "Pong", "Put", "PutDone", "Ready", "Reason", "Reply", "Role", "Settings",
    "Stale", "Store", "StoreItem", "StoreMany", "Stored", "StoredMany", "Survey", "Surveyed",
    "Unknown", "WireContact", "words_of",
]  # fmt: skip

VERSION_BYTES = 16

IdField = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
VersionField = Annotated[bytes, Meta(min_length=VERSION_BYTES, max_length=VERSION_BYTES)]
ValueField = Annotated[bytes, Meta(max_length=MAX_VALUE_BYTES)]
AddressField = Annotated[str, Meta(max_length=MAX_ADDRESS_CHARS)]
TextField = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
NameField = Annotated[str, Meta(max_length=MAX_NAME_CHARS)]
RequestId = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[int, Meta(ge=0)]
SlotField = Annotated[int, Meta(ge=0, lt=SLOTS)]


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
    """The last frame of somebody who closes on purpose, but for replies after SURPLUS. `reason` is
    a Reason, or one that a later version has added."""

    reason: Count
    text: TextField = ""


class Ping(_Base, frozen=True, tag=2):
    """Asks for a sign of life."""

    id: RequestId


class Pong(_Base, frozen=True, tag=3):
    """Answers a Ping."""

    id: RequestId


class FindNode(_Base, frozen=True, tag=4):
    """Asks for the contacts closest to `target`."""

    id: RequestId
    target: IdField


class Contacts(_Base, frozen=True, tag=5):
    """Answers FindNode: the closest known, the sender included, nearest first."""

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
    """Answers Store: that version is the replica's newest now (or was already: a retry)."""

    id: RequestId


class Stale(_Base, frozen=True, tag=8):
    """Answers Store: the replica holds this newer version."""

    id: RequestId
    version: VersionField


class Fetch(_Base, frozen=True, tag=9):
    """Asks for the record of a key."""

    id: RequestId
    key: IdField


class Found(_Base, frozen=True, tag=10):
    """Answers Fetch or Get: the record. `value` None is a tombstone."""

    id: RequestId
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0


class Missing(_Base, frozen=True, tag=11):
    """Answers Fetch or Get: there is no record of that key."""

    id: RequestId


class NotReplica(_Base, frozen=True, tag=12):
    """The node is not among the N closest to that key; these are closer."""

    id: RequestId
    contacts: Annotated[list[WireContact], Meta(max_length=MAX_CONTACTS)]


class Put(_Base, frozen=True, tag=13):
    """Asks a node to coordinate this write, within `budget_ms`."""

    id: RequestId
    key: IdField
    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds
    budget_ms: Milliseconds


class PutDone(_Base, frozen=True, tag=14):
    """Answers Put: the write has its quorum, under this version (newer than asked for, where
    replicas were ahead)."""

    id: RequestId
    version: VersionField
    replicas: Count
    acks: Count


class Get(_Base, frozen=True, tag=15):
    """Asks a node to coordinate this read, within `budget_ms`. Found or Missing answers it."""

    id: RequestId
    key: IdField
    budget_ms: Milliseconds


class Failed(_Base, frozen=True, tag=16):
    """The request can't be served. `reason` is a Reason, or one that a later version has added."""

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
    """Asks a replica to keep all of these records."""

    id: RequestId
    items: Annotated[list[StoreItem], Meta(max_length=MAX_BATCH_ITEMS)]


class StoredMany(_Base, frozen=True, tag=18):
    """Answers StoreMany: all are stored but those at these places of the batch, which the client
    puts one by one."""

    id: RequestId
    others: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]


class FetchMany(_Base, frozen=True, tag=19):
    """Asks for the records of these keys."""

    id: RequestId
    keys: Annotated[list[IdField], Meta(max_length=MAX_BATCH_ITEMS)]
    held: bool = False  # answer with what you hold, though you may be no replica: for hand-offs


class FoundItem(_Base, frozen=True):
    """One answer of a batch; see Found."""

    version: VersionField
    value: ValueField | None
    expires_ms: Milliseconds = 0


class FoundMany(_Base, frozen=True, tag=20):
    """Answers FetchMany in the order of the keys; nil: no record. The places in `others` have no
    answer: the client asks for these keys one by one."""

    id: RequestId
    items: Annotated[list[FoundItem | None], Meta(max_length=MAX_BATCH_ITEMS)]
    others: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]


class NotReady(_Base, frozen=True, tag=21):
    """The node is a replica of that key, but was not handed its range yet: its answer does not
    count. What it was sent to store is stored."""

    id: RequestId


class Survey(_Base, frozen=True, tag=22):
    """Asks for the slots that may be the sender's, if it and `members` are all nodes. `ready`: the
    sender was handed its ranges at least once."""

    id: RequestId
    ready: bool
    members: Annotated[list[IdField], Meta(max_length=MAX_CONTACTS)]


class Surveyed(_Base, frozen=True, tag=23):
    """Answers Survey: slots, each with its digest. `ready`: as in Survey."""

    id: RequestId
    ready: bool
    slots: Annotated[list[tuple[SlotField, Count]], Meta(max_length=SLOTS)]


class ListKeys(_Base, frozen=True, tag=24):
    """Asks for keys and versions in these slots, beyond the key `after` ("": from the first)."""

    id: RequestId
    slots: Annotated[list[SlotField], Meta(max_length=SLOTS)]
    after: Annotated[bytes, Meta(max_length=ID_BYTES)] = b""


class Entry(_Base, frozen=True):
    """A record without its value. `lasts_ms`: until when there is one, in wall-clock time; 0: for
    ever, or there is none."""

    key: IdField
    version: VersionField
    lasts_ms: Milliseconds = 0


class Listed(_Base, frozen=True, tag=25):
    """Answers ListKeys in the order of the keys. `more`: there are others beyond the last."""

    id: RequestId
    entries: Annotated[list[Entry], Meta(max_length=MAX_BATCH_ITEMS)]
    more: bool


class Confirm(_Base, frozen=True, tag=26):
    """Asks if a node holds these versions, or newer ones."""

    id: RequestId
    entries: Annotated[list[Entry], Meta(max_length=MAX_BATCH_ITEMS)]


class Confirmed(_Base, frozen=True, tag=27):
    """Answers Confirm: the node lacks those at the places in `lacking`, and does not count for
    those in `unready`."""

    id: RequestId
    lacking: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]
    unready: Annotated[list[Count], Meta(max_length=MAX_BATCH_ITEMS)]


class Leaving(_Base, frozen=True, tag=28):
    """The sender leaves and hands over its records: they are placed without it. Not answered."""

    id: RequestId


class Inspect(_Base, frozen=True, tag=29):
    """Asks for the state and the counters of a node."""

    id: RequestId


class Inspected(_Base, frozen=True, tag=30):
    """Answers Inspect, at one moment. `uptime_ms` counts from when the node began to serve;
    `counters` never go back while it runs, and each version has its own."""

    id: RequestId
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


class Mark(_Base, frozen=True, tag=31):
    """Asks a node to note its clock; with an id, to send what it noted. Marks stand around a
    request that is traced: see `session/trace.py`."""

    id: RequestId = 0


class Marked(_Base, frozen=True, tag=32):
    """When this mark was read, and when the turns of the one before and of this one came. Only
    differences mean anything."""

    id: RequestId
    read_ns: Count
    turn_ns: Count
    done_ns: Count


Message = (
    Ready | Goodbye | Ping | Pong | FindNode | Contacts | Store | Stored | Stale | Fetch | Found
    | Missing | NotReplica | Put | PutDone | Get | Failed | StoreMany | StoredMany | FetchMany
    | FoundMany | NotReady | Survey | Surveyed | ListKeys | Listed | Confirm | Confirmed | Leaving
    | Inspect | Inspected | Mark | Marked
)  # fmt: skip

Reply = (
    Pong | Contacts | Stored | Stale | Found | Missing | NotReplica | PutDone | Failed
    | StoredMany | FoundMany | NotReady | Surveyed | Listed | Confirmed
    | Inspected | Marked
)  # fmt: skip


class Unknown(Struct, frozen=True, gc=False):
    """Not on the wire: a well-formed request whose tag this version does not know."""

    id: int
    tag: int


class Malformed(Struct, frozen=True, gc=False):
    """Not on the wire: what came in is no message, and nothing after it can be read."""

    text: str
