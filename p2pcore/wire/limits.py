"""How much is too much. Every number has its unit and its reason; docs/protocol.md repeats them."""

__all__ = [
    "GROUPS",
    "HEADER_BYTES",
    "HEAD_BYTES",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_ITEMS",
    "MAX_CONTACTS",
    "MAX_COUNTERS",
    "MAX_DRAWN",
    "MAX_FRAME_BYTES",
    "MAX_HEADS",
    "MAX_LISTED_BYTES",
    "MAX_NAMES_BYTES",
    "MAX_NAME_CHARS",
    "MAX_PART_BITS",
    "MAX_PEERS",
    "MAX_SKETCHED",
    "MAX_TEXT_CHARS",
    "MAX_UNREAD_BYTES",
    "MAX_VALUE_BYTES",
    "MAX_WAITING_BYTES",
    "PRINT_BYTES",
    "PROTOCOL_MAX",
    "PROTOCOL_MIN",
    "SKETCH_BYTES",
    "SLOTS",
    "SLOT_BITS",
    "SLOT_BYTES",
    "SUM_BYTES",
]

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1

HEADER_BYTES = 4
"""A frame begins with the length of what follows, big-endian."""

MAX_VALUE_BYTES = 1024 * 1024
"""A record is held in memory whole by N nodes and sent in one frame, so it is kept small enough
that a frame takes milliseconds, not seconds, of a connection that others share."""

MAX_FRAME_BYTES = MAX_VALUE_BYTES + 64 * 1024
"""The largest value plus everything that can stand beside it in one message."""

MAX_CONTACTS = 20
"""One bucket: what Kademlia's FIND_NODE answers (section 2.3, k = 20)."""

MAX_BATCH_ITEMS = 1000
MAX_BATCH_BYTES = 256 * 1024
"""Bytes of values in one batch, unless a single one is larger: batches save per-message cost, which
a few hundred records do; longer ones only make whoever shares the connection wait."""

MAX_LISTED_BYTES = 1024
"""Of the name of a listed record, which stands beside its value wherever that is sent and kept."""

MAX_NAMES_BYTES = 64 * 1024
"""Of names in one answer: a node makes it, and a connection carries it, in well below 1 ms."""

MAX_UNREAD_BYTES = 1024 * 1024
"""Of answers that a peer has not read, as much as one of the largest values: then a client is not
read from, and a node is refused what has large answers; beyond twice that, it is not read from."""

MAX_WAITING_BYTES = 64 * 1024 * 1024
"""On all links of a process: answers that are not read, half frames, and what waits for its turn.
Beyond it, the links end on which most waits."""

MAX_TEXT_CHARS = 512
"""Reasons are for people: a few sentences."""

MAX_PEERS = 64
"""Of which a node tells what it thinks: three buckets, 4 KiB."""

MAX_COUNTERS = 128
MAX_NAME_CHARS = 64
"""What a node counts, and what that is called: several times as many and as long as there are, so
that later versions have room, and still a small message."""

SLOT_BITS = 12
SLOTS = 1 << SLOT_BITS
"""Replicas compare sums of so many parts of the key space: a million records make lists of a few
hundred. Where less differs, parts of these are compared."""

SLOT_BYTES = 2
GROUPS = 64
"""Of as many slots each: where two replicas differ in one place, the sums of all groups and then of
one group's slots are sent, 384 bytes each."""

SUM_BYTES = 6
"""Of a sum are sent: one of 10^14 differences is missed, and found by the next session."""

SKETCH_BYTES = 16
PRINT_BYTES = 5
"""Of a record's hash in a part of some 60 records: one of 10^10 differences is missed."""

MAX_SKETCHED = 4096
MAX_PART_BITS = 8
"""Sketches, prints and slots in one message: as many as records may be looked at in one turn."""

HEAD_BYTES = 16
MAX_HEADS = 4096
"""The halves of a key and a version; a page of them is looked through in a millisecond."""

MAX_DRAWN = 64
"""Records in one question, so that an answer takes well below a millisecond to make."""
