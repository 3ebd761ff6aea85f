"""What messages are made of: their base and their fields' types."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta, Struct

from p2pcore.address import MAX_ADDRESS_CHARS
from p2pcore.ids import ID_BYTES
from p2pcore.wire.limits import MAX_NAME_CHARS, MAX_TEXT_CHARS, MAX_VALUE_BYTES, SLOTS

__all__ = [
    "AddressField", "Base", "Count", "IdField", "Milliseconds", "NameField", "Reply",
    "Request", "SlotField", "Step", "TextField", "UntimedReply", "ValueField", "VersionField",
    "WirePeer",
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
Step = Annotated[int, Meta(ge=0, lt=128)]
"""One byte of MessagePack: a delay or a budget in steps, see `p2pcore/effects.py`."""


class Base(Struct, array_like=True, frozen=True, gc=False):
    """No message holds a reference cycle, so the collector need not look at any."""


class Request(Base, frozen=True):
    """What is asked of a peer, or told it."""

    id: RequestId
    bulky: ClassVar[bool] = False
    """Whether the answer may be much larger than the request: then a peer that does not read is
    refused it. Stores, pings and what is told are heard also from such a peer."""


class Reply(Base, frozen=True):
    """What answers a request, under its id."""

    id: RequestId
    if TYPE_CHECKING:

        @property
        def delay(self) -> int:
            """How long the request had waited; a field of most, 0 in an `UntimedReply`."""


class UntimedReply(Reply, frozen=True):
    """An answer that tells no delay."""

    delay: ClassVar[int] = 0


class WirePeer(Base, frozen=True):
    """What a node thinks of another one that it is linked to. `strain_permille`: how long answers
    take against what is usual, 1000 if as long; `state`: bits, 1 late, 2 outlier, 4 suspect."""

    node_id: IdField
    address: AddressField
    strain_permille: Count
    state: Count
    round_trip_us: Count
    hedges: Count
