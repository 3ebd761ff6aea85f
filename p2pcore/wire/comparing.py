"""The messages by which replicas find out what differs.

Rule: data only; see `messages.py`. What there is much of is packed into strings of bytes, numbers
big-endian: it is most of what comparisons cost.
"""

import enum
from typing import Annotated, ClassVar

from msgspec import Meta

from p2pcore.ids import ID_BYTES
from p2pcore.wire.limits import (
    GROUPS,
    HEAD_BYTES,
    MAX_BATCH_ITEMS,
    MAX_CONTACTS,
    MAX_DRAWN,
    MAX_HEADS,
    MAX_PART_BITS,
    MAX_SKETCHED,
    PRINT_BYTES,
    SKETCH_BYTES,
    SLOT_BYTES,
    SLOTS,
    SUM_BYTES,
)
from p2pcore.wire.parts import (
    Base,
    Count,
    IdField,
    Milliseconds,
    Request,
    SlotField,
    UntimedReply,
    VersionField,
)

__all__ = [
    "Draw", "Entry", "Form", "Heads", "ListKeys", "Listed", "Recent", "Resolve", "Sketch",
    "Sketched", "Sum", "Summed", "Survey", "Surveyed",
]  # fmt: skip

PartBits = Annotated[int, Meta(ge=0, le=MAX_PART_BITS)]
PartField = Annotated[int, Meta(ge=0, lt=1 << 8 * SLOT_BYTES + MAX_PART_BITS)]
HeadsField = Annotated[bytes, Meta(max_length=MAX_HEADS * HEAD_BYTES)]
PrintsField = Annotated[bytes, Meta(max_length=MAX_SKETCHED * PRINT_BYTES)]


class Form(enum.IntEnum):
    """How a Survey is answered."""

    SLOTS = 0
    SUMS = 1
    WHICH_MEMBERS = 2  # name them


class Survey(Request, frozen=True, tag=22):
    """Asks for the slots that may be the sender's, if it and `members` are all nodes. `ready`: the
    sender was handed its ranges at least once. With a `salt`, `view` stands for the members, which
    are named once, and the answer is to be short, or empty where the sum is `root`."""

    bulky: ClassVar[bool] = True
    ready: bool
    members: Annotated[list[IdField], Meta(max_length=MAX_CONTACTS)]
    view: Count = 0
    root: Count = 0
    salt: Count = 0


class Surveyed(UntimedReply, frozen=True, tag=23):
    """Answers Survey: slots, each with its digest. `ready`: as in Survey. To a Survey with a salt:
    the sums of all groups, salted (none: the root is the same), or that the view is not known."""

    ready: bool
    slots: Annotated[list[tuple[SlotField, Count]], Meta(max_length=SLOTS)]
    form: Count = Form.SLOTS
    sums: Annotated[bytes, Meta(max_length=GROUPS * SUM_BYTES)] = b""


class ListKeys(Request, frozen=True, tag=24):
    """Asks for keys and versions in these slots, beyond the key `after` ("": from the first)."""

    bulky: ClassVar[bool] = True
    slots: Annotated[list[SlotField], Meta(max_length=SLOTS)]
    after: Annotated[bytes, Meta(max_length=ID_BYTES)] = b""


class Entry(Base, frozen=True):
    """A record without its value. `lasts_ms`: until when there is one, in wall-clock time; 0: for
    ever, or there is none."""

    key: IdField
    version: VersionField
    lasts_ms: Milliseconds = 0


class Listed(UntimedReply, frozen=True, tag=25):
    """Answers ListKeys in the order of the keys. `more`: there are others beyond the last."""

    entries: Annotated[list[Entry], Meta(max_length=MAX_BATCH_ITEMS)]
    more: bool


class Sum(Request, frozen=True, tag=33):
    """Asks for the sums of each slot of these groups (a byte each), after a Survey with a salt."""

    bulky: ClassVar[bool] = True
    groups: Annotated[bytes, Meta(max_length=GROUPS)]


class Summed(UntimedReply, frozen=True, tag=34):
    """Answers Sum: the sums, salted, in order."""

    sums: Annotated[bytes, Meta(max_length=GROUPS * GROUPS * SUM_BYTES)]


class Sketch(Request, frozen=True, tag=35):
    """Asks what differs in these slots (two bytes each, in order), each in 2^`part_bits` parts, of
    which there is a sketch each; none at all: all is to be printed."""

    bulky: ClassVar[bool] = True
    part_bits: PartBits
    slots: Annotated[bytes, Meta(max_length=MAX_SKETCHED * SLOT_BYTES)]
    sketches: Annotated[bytes, Meta(max_length=MAX_SKETCHED * SKETCH_BYTES)]


class Sketched(UntimedReply, frozen=True, tag=36):
    """Answers Sketch, for the first `done` slots. `heads`: of the records that differ, where the
    sketches tell. `prints`: of all records in those parts where they do not."""

    done: Count
    heads: HeadsField
    prints: Annotated[list[tuple[PartField, PrintsField]], Meta(max_length=MAX_SKETCHED)]
    crowded: Annotated[bytes, Meta(max_length=MAX_SKETCHED * SLOT_BYTES)] = b""
    """Of the slots that are done, those with too many records for that: they are to be listed."""


class Resolve(Request, frozen=True, tag=37):
    """Asks for the heads of the records that have these prints, in parts as in Sketch."""

    bulky: ClassVar[bool] = True
    part_bits: PartBits
    prints: Annotated[list[tuple[PartField, PrintsField]], Meta(max_length=MAX_SKETCHED)]


class Recent(Request, frozen=True, tag=38):
    """Asks for the heads of what was written lately, by versions of `since_ms` or later. `page` 0
    is the last."""

    bulky: ClassVar[bool] = True
    since_ms: Milliseconds
    page: Count


class Heads(UntimedReply, frozen=True, tag=39):
    """Answers Resolve (for the first `done` parts) and Recent: the first halves of keys and
    versions."""

    heads: HeadsField
    done: Count = 0


class Draw(Request, frozen=True, tag=40):
    """Asks for the records whose keys begin with these 8 bytes each, whoever's they are. Drawn
    answers it."""

    bulky: ClassVar[bool] = True
    keys: Annotated[bytes, Meta(max_length=MAX_DRAWN * HEAD_BYTES // 2)]
