"""What crosses the sans-IO boundary: time comes in, effects go out.

Rule: plain frozen data. The machines (`Node`, `Client`) are told what happened and when; they
answer with effects, which an edge (`aio`, `sim`) carries out in order and exactly once.
"""

from collections.abc import Callable
from typing import NewType

from msgspec import Struct

from p2pcore.ids import Key, NodeId
from p2pcore.versions import Version
from p2pcore.wire.messages import Message

__all__ = [
    "LONG_DELAY",
    "Close",
    "Complete",
    "Connect",
    "Done",
    "Effect",
    "Instant",
    "LinkId",
    "Notice",
    "Persist",
    "Recall",
    "Send",
    "budget_of",
    "delay_of",
    "earliest",
    "is_spent",
]

DELAY_BITS = 16  # steps of delay begin at 2**16 ns
BUDGET_BITS = 26  # of budgets: 2**26 ns
MOST_STEPS = 128  # what one byte holds
LONG_DELAY = BUDGET_BITS - DELAY_BITS + 1
"""With less, no budget is spent."""

LinkId = NewType("LinkId", int)
"""An edge's name for one authenticated connection; never used twice."""


class Instant(Struct, frozen=True, gc=False):
    """One moment, on both clocks.

    `mono_ns` never goes back and orders deadlines; `wall_ms` is the time of day (milliseconds
    since 1970), may jump, and is what versions and expiry are made of. `delay` says how long what
    happens at this moment has waited for the machine's attention: see `delay_of`.
    """

    mono_ns: int
    wall_ms: int
    delay: int = 0


class Send(Struct, frozen=True, gc=False):
    """Encode the message once and send it on each of these links."""

    links: tuple[LinkId, ...]
    message: Message


class Connect(Struct, frozen=True, gc=False):
    """Open a link; answer with `connected`, or with `connect_failed` within the time allowed.

    A `node_id` of None trusts whoever of this network answers at the address.
    """

    address: str
    node_id: NodeId | None


class Close(Struct, frozen=True, gc=False):
    """Close the link once what was sent before is out. No `disconnected` follows."""

    link: LinkId
    text: str


class Persist(Struct, frozen=True, gc=False):
    """Write this to disk; say `persisted` once it is synced, together with all before it.

    What is kept of a key from now on; a `version` of None: nothing. Numbers count up by one, beyond
    all that were used before a restart: the number is the row of what is written. `name`: of a
    listed record. `replaces` is the row that is not needed any more; 0: there is none.
    """

    number: int
    key: Key
    version: Version | None
    value: bytes | None
    expires_ms: int
    name: bytes | None = None
    replaces: int = 0


class Recall(Struct, frozen=True, gc=False):
    """Read this row back from disk; say `recalled` with it, or with None where it is not there as
    it was written. What waits for it goes on meanwhile, in any order."""

    row: int
    key: Key


class Complete(Struct, frozen=True, gc=False):
    """The application's call `operation` has its result: a value, or the error to raise."""

    operation: int
    result: object


class Notice(Struct, frozen=True, gc=False):
    """Something that an operator should be able to read in the log."""

    text: str


Done = Callable[[object, Instant], None]
"""Called once with the operation's result, or with the error to raise."""


def earliest(*deadlines: int | None) -> int | None:
    """The first of some deadlines in monotonic ns, of which any may be unset."""
    first = None
    for deadline in deadlines:
        if deadline is not None and (first is None or deadline < first):
            first = deadline
    return first


def delay_of(waited_ns: int) -> int:
    """How long something has waited, in steps: 0 is less than 65 µs, 1 less than 131, and each
    further one stands for twice as much."""
    return (waited_ns >> DELAY_BITS).bit_length()


def budget_of(left_ns: int) -> int:
    """What is left of somebody's time, in steps of 67 ms, rounded up; 0: more than 8 s."""
    steps = (left_ns >> BUDGET_BITS) + 1
    return steps if 0 < steps < MOST_STEPS else 0


def is_spent(budget: int, delay: int) -> bool:
    """Whether something that has waited with this `delay`, at least, had no longer to live."""
    return 0 < budget << BUDGET_BITS <= 1 << (DELAY_BITS + delay - 1)


Effect = Send | Connect | Close | Persist | Recall | Complete | Notice
