"""What can be found wrong with a network, and how histories are held against the promise.

All that check histories judge with these functions: the simulator's checkers, the schedules of
`tests/promise.py`, `perflab chaos`, and `perflab load` when it reads its records again. Each keeps
its own books: they differ in what they see, and in how much of it they can keep.

Every value is written once, so a value that is read names the write that it comes of. A key's
*floor*, for an operation, is the newest version that was acknowledged before it began. A write that
was not acknowledged may have happened, at any time after it began: its value is right for every
read that ends after that.

Source: the checks of single registers in Jepsen (Kingsbury), with versions in the place of a search
for an order.

Rule: judges what it is told, and knows nothing of the core.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Protocol, TypeVar

__all__ = ["Breach", "BrokenPromiseError", "judge_read", "judge_write"]

Name = TypeVar("Name")
Version = TypeVar("Version", bytes, str)
Known_co = TypeVar("Known_co", bytes, str, covariant=True)


class Breach(StrEnum):
    """What is wrong: the first six are seen by clients alone, the others from inside."""

    STALE = "stale"
    """A read gives something older than its floor."""
    NOT_FOUND = "false not-found"
    """A read gives nothing, which no delete and no end of the record can explain."""
    INVENTED = "invented"
    """A read gives what nobody has written to that key, or not yet."""
    OVERTAKEN = "overtaken"
    """A write is acknowledged with a version no newer than its floor: nobody will ever read it."""
    LOST = "lost"
    """A read after everything has settled is stale, or a false not-found."""
    NOT_LOOKED_AT = "not looked at"
    """A key was not read after everything had settled."""

    QUORUM = "quorum"
    DURABILITY = "durability"
    CLOCK = "clock"
    READINESS = "readiness"
    OWNERSHIP = "ownership"
    COPIES = "copies"
    CONTENTS = "contents"
    READ_REPAIR = "read repair"
    OPERATIONS = "operations"
    LOOKUPS = "lookups"
    BUCKETS = "buckets"
    BOUNDS = "bounds"
    CONVERGENCE = "convergence"
    ACCOUNTING = "accounting"
    AVAILABILITY = "availability"
    ACCIDENTS = "accidents"


class BrokenPromiseError(AssertionError):
    """A promise was broken, or a bound exceeded: a bug of the core (or of a checker).

    Args:
        breach: which promise; shrinking a run keeps to it.
        text: what happened.
        story: what happened before to the key or node in question, one line for each event.
    """

    def __init__(self, breach: Breach, text: str, story: list[str] | None = None) -> None:
        super().__init__(f"{breach}: {text}")
        self.breach = breach
        self.text = text
        self.story = story or []


class Written(Protocol[Known_co]):
    """A store or delete, as far as it is known."""

    @property
    def begin_ns(self) -> int: ...

    @property
    def version(self) -> Known_co | None:
        """None: not acknowledged."""


def judge_read(
    value: Name | None, writes: Mapping[Name, Written[Version]], ends: Iterable[Written[Version]],
    floor: Version | None, *, end_ns: int, last: bool = False,
) -> Breach | None:  # fmt: skip
    """What is wrong with a read.

    Args:
        value: what it gave, by the name of its write; None: there is no such key.
        writes: the stores to this key.
        ends: its deletes, and stores whose time may have been over.
        floor: None: nothing was acknowledged, or nothing older than it is promised.
        end_ns: when it ended.
        last: whether everything had settled.
    """
    if value is not None:
        write = writes.get(value)
        if write is None or write.begin_ns > end_ns:
            return Breach.INVENTED
        found = None if _reaches(write, floor) else Breach.STALE
    elif any(_reaches(end, floor) for end in ends if end.begin_ns <= end_ns):
        found = None
    else:
        found = Breach.NOT_FOUND if floor else None
    return Breach.LOST if found and last else found


def judge_write(version: Version, floor: Version | None) -> Breach | None:
    """What is wrong with an acknowledgement."""
    return Breach.OVERTAKEN if floor and version <= floor else None


def _reaches(write: Written[Version], floor: Version | None) -> bool:
    """Whether a write may be as new as the floor."""
    return not floor or write.version is None or write.version >= floor
