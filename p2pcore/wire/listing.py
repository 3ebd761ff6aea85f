"""The messages by which names of listed records are found.

Rule: as in `messages.py`, to whose messages these belong.
"""

from typing import Annotated, ClassVar

from msgspec import Meta

from p2pcore.ids import ID_BYTES
from p2pcore.wire.limits import MAX_BATCH_ITEMS, MAX_LISTED_BYTES
from p2pcore.wire.parts import IdField, Request, UntimedReply

__all__ = ["ListNames", "ListedName", "NamesListed"]

ListedName = Annotated[bytes, Meta(min_length=1, max_length=MAX_LISTED_BYTES)]
"""What an application calls a record that is stored with `listed=True`: its key is the hash."""


class ListNames(Request, frozen=True, tag=42):
    """Asks for names that begin with `prefix`, of records whose keys are beyond `after` ("": from
    the first) and not beyond `last`: the first `limit` of them, in the order of their keys."""

    bulky: ClassVar[bool] = True
    prefix: Annotated[bytes, Meta(max_length=MAX_LISTED_BYTES)]
    after: Annotated[bytes, Meta(max_length=ID_BYTES)]
    last: IdField
    limit: Annotated[int, Meta(ge=1)] = MAX_BATCH_ITEMS


class NamesListed(UntimedReply, frozen=True, tag=43):
    """Answers ListNames: all that this node holds up to the key `reached`, which is `last` when
    there are no more. `partial`: somebody was lost, and what this node takes over was not copied
    yet; for its other keys it counts."""

    names: Annotated[list[ListedName], Meta(max_length=MAX_BATCH_ITEMS)]
    reached: IdField
    partial: bool = False
