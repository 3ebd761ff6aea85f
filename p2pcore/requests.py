"""What applications may ask for, and what they get of a batch: the same at every edge.

Rule: pure functions, called before anything is sent or after everything has come; and what keeps
the names of a scan that came and were not given yet.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from string import hexdigits
from typing import Any, Generic, TypeVar

from p2pcore.address import parse_address, parse_node_id
from p2pcore.config import MAX_TIMEOUT_S
from p2pcore.errors import (
    BatchError,
    BusyError,
    KeyNotFoundError,
    LimitError,
    P2PError,
    UsageError,
    shown,
)
from p2pcore.ids import ID_BYTES, Key, NodeId, key_of
from p2pcore.overlay.inspection import Target
from p2pcore.replication.operations import StoreReceipt
from p2pcore.replication.scan import NamesFound, Scan
from p2pcore.routing.waiting import Priority
from p2pcore.wire.limits import MAX_BATCH_ITEMS, MAX_LISTED_BYTES, MAX_VALUE_BYTES

__all__ = [
    "MAX_NODES", "PAGE_NAMES", "Name", "NamesAhead", "Value", "asked_node", "budget_ns",
    "checked_count", "checked_priority", "checked_value", "cursor_after", "lifetime_ms",
    "listed_name", "listed_names", "placed_items", "placed_names", "receipts_of", "room_for_one",
    "values_of",
]  # fmt: skip

MIN_TTL_S = 0.001  # clocks are read in milliseconds
MAX_TTL_S = 100 * 365 * 24 * 3600.0  # anything longer is meant as "for ever"

MAX_NODES = 256  # of a crawl by default: a handshake with each, which is a millisecond or two

PAGE_NAMES = MAX_BATCH_ITEMS  # of each node, in one step of a scan

NUMBERS = (int, float)

Name = TypeVar("Name", bound=str | bytes)
"""What an application calls its records; a batch of str gives a dict of str."""

Value = bytes | bytearray | memoryview
"""What can be stored. It is copied unless it is bytes, which nobody can change meanwhile."""


def checked_value(value: Value) -> bytes:
    """The value as it is stored.

    Raises:
        UsageError: it is of another type, or a memoryview that was released.
        LimitError: it is too long.
    """
    if type(value) is bytes and len(value) <= MAX_VALUE_BYTES:
        return value  # as nearly always
    if not isinstance(value, Value):
        raise UsageError(f"a value is bytes, not {type(value).__name__}")
    try:
        size = value.nbytes if isinstance(value, memoryview) else len(value)
        if size <= MAX_VALUE_BYTES:
            return bytes(value)
    except ValueError as error:
        raise UsageError(f"a value can't be read: {error}") from None
    raise LimitError(f"a value of {size} bytes, the limit is {MAX_VALUE_BYTES}")


def placed_items(
    items: Mapping[Name, Value] | Iterable[tuple[Name, Value]],
) -> tuple[list[Name], list[tuple[Key, bytes]]]:
    """The names of a batch, and the place and the value of each. Of pairs with the same name the
    last one counts, as in a dict.

    Raises:
        UsageError, LimitError: an item can't be stored, or these are no items.
    """
    pairs: object = items.items() if isinstance(items, Mapping) else items
    expected = "store_many takes a mapping, or an iterable of (key, value)"
    placed: dict[Name, tuple[Key, bytes]] = {}
    for pair in _several(pairs, expected):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise UsageError(f"{expected}; {shown(pair)} is no such pair")
        name, value = pair
        placed[name] = key_of(name), checked_value(value)  # the right side first
    return list(placed), list(placed.values())


def placed_names(names: Iterable[Name]) -> tuple[list[Name], list[Key]]:
    """The names of a batch, each once, and their places. Raises UsageError for what is no key."""
    places = {}
    for name in _several(names, "retrieve_many takes an iterable of keys"):
        places[name] = key_of(name)
    return list(places), list(places.values())


def _several(things: object, expected: str) -> Iterable[Any]:
    """These can be gone through, and are not a single key or value, whose parts are none."""
    if isinstance(things, str | bytes | bytearray | memoryview):
        raise UsageError(f"{expected}, and {shown(things)} is one {type(things).__name__}")
    if not isinstance(things, Iterable):
        raise UsageError(f"{expected}, not {type(things).__name__}")
    return things


def listed_name(name: str | bytes, listed: bool) -> bytes | None:
    """The name that stands beside a listed record, which can be a key; None if it is not listed.

    Raises:
        UsageError: `listed` is not True or False.
        LimitError: the name is too long for that.
    """
    if listed is False:
        return None
    if listed is not True:
        raise UsageError(f"listed must be True or False, not {shown(listed)}")
    data = name.encode() if isinstance(name, str) else name
    if len(data) > MAX_LISTED_BYTES:
        size = f"this one has {len(data)}"
        raise LimitError(f"the key of a listed record has up to {MAX_LISTED_BYTES} bytes, {size}")
    return data


def listed_names(names: Iterable[str | bytes], listed: bool) -> list[bytes]:
    """The same for a batch; none where it is not listed."""
    found = (listed_name(name, listed) for name in names)
    return [name for name in found if name is not None]


def asked_node(address_or_id: str | bytes | None) -> Target:
    """The node that is meant: an address, an id or both; neither, if none is named.

    Raises:
        UsageError: that is no address and no id.
    """
    if address_or_id is None:
        return None, None
    node_id = None
    if isinstance(address_or_id, bytes):
        node_id = NodeId(address_or_id) if len(address_or_id) == ID_BYTES else None
    elif isinstance(address_or_id, str):
        if ":" in address_or_id:
            return parse_address(address_or_id)
        node_id = parse_node_id(address_or_id)
    if node_id is None:
        text = "host:port, host:port#id, or an id of 32 bytes or 64 hex digits"
        raise UsageError(f"a node is named by {text}, not {shown(address_or_id)}")
    return None, node_id


def _is_number(value: object) -> bool:
    return type(value) is float or (isinstance(value, NUMBERS) and not isinstance(value, bool))


def checked_count(name: str, value: int) -> int:
    """The value, which is a whole number of 1 or more. Raises UsageError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{name} must be a whole number, not {shown(value)}")
    if value < 1:
        raise UsageError(f"{name} must be at least 1: {value}")
    return value


def checked_priority(priority: Priority) -> Priority:
    """The same. Raises UsageError: that is none."""
    if type(priority) is not Priority:
        named = " or ".join(f"Priority.{each.name}" for each in Priority)
        raise UsageError(f"priority must be {named}, not {shown(priority)}")
    return priority


def lifetime_ms(ttl_s: float | None) -> int | None:
    """A time to live in whole milliseconds, at least one; None: for ever.

    Raises:
        UsageError: it is no number, less than a millisecond, or too large.
    """
    if ttl_s is None:
        return None
    if not _is_number(ttl_s):
        raise UsageError(f"ttl_s must be a number of seconds, not {shown(ttl_s)}")
    if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
        limits = f"{MIN_TTL_S:g} (a millisecond) to {MAX_TTL_S:g}"
        raise UsageError(f"ttl_s must be more than 0, {limits}, or None: {shown(ttl_s)}")
    return math.ceil(ttl_s * 1000)


def budget_ns(timeout_s: float) -> int:
    """How long an operation may take.

    Raises:
        UsageError: it is no positive number, or too large.
    """
    if not _is_number(timeout_s):
        raise UsageError(f"timeout_s must be a number of seconds, not {shown(timeout_s)}")
    if not 0 < timeout_s < MAX_TIMEOUT_S:
        raise UsageError(f"timeout_s must be more than 0 and below a million: {shown(timeout_s)}")
    return round(timeout_s * 1e9)


def room_for_one(in_flight: int, max_in_flight: int) -> None:
    """Check that one more operation may begin.

    Raises:
        BusyError: as many are in flight as may be.
    """
    if in_flight >= max_in_flight:
        text = f"{in_flight} operations are in flight, max_in_flight is {max_in_flight}"
        raise BusyError(text)


def receipts_of(names: Iterable[Name], results: list[Any]) -> dict[Name, StoreReceipt]:
    """The receipts of a batch by the names of its items, in their order.

    Raises:
        BatchError: some items failed.
    """
    by_name = dict(zip(names, results, strict=True))
    errors = {name: result for name, result in by_name.items() if isinstance(result, P2PError)}
    if errors:
        stored = {name: receipt for name, receipt in by_name.items() if name not in errors}
        raise BatchError(stored, errors, len(results))
    return by_name


def values_of(names: Iterable[Name], results: list[Any]) -> dict[Name, bytes]:
    """The values that a batch has found, by name, in the order of the names; those without a record
    are left out.

    Raises:
        BatchError: some could not be read (other than that there is no record).
    """
    values: dict[Name, bytes] = {}
    errors: dict[Name, P2PError] = {}
    for name, result in zip(names, results, strict=True):
        if isinstance(result, bytes):
            values[name] = result
        elif not isinstance(result, KeyNotFoundError):
            errors[name] = result
    if errors:
        raise BatchError(values, errors, len(results))
    return values


class NamesAhead(Generic[Name]):
    """The names of a scan that have come and were not given yet.

    Args:
        prefix: names begin with it; they are of its type.
        cursor: where an earlier scan had come to.

    Raises:
        UsageError: that is no prefix, or no cursor.
        LimitError: no name is as long as this prefix.
    """

    def __init__(self, prefix: Name, cursor: str) -> None:
        if not isinstance(prefix, str | bytes):
            raise UsageError(f"prefix is str or bytes, not {type(prefix).__name__}")
        start = _as_bytes(prefix)
        if len(start) > MAX_LISTED_BYTES:
            size = f"this one has {len(start)}"
            raise LimitError(f"a prefix has up to {MAX_LISTED_BYTES} bytes, {size}")
        self.scan = Scan(start, _place_of(cursor))
        self.is_running = False
        self._is_text = isinstance(prefix, str)
        self._given = self.scan.after
        self._waiting: deque[tuple[bytes, Name]] = deque()

    @property
    def cursor(self) -> str:
        """Where the scan goes on after the last name that was given; "": at the beginning."""
        return (self._given if self._waiting else self.scan.after).hex()

    @property
    def over(self) -> bool:
        """True if nothing is left to give or to look for."""
        return self.scan.over and not self._waiting

    def take(self) -> Name | None:
        """The next name of those that have come; None: there is none."""
        if not self._waiting:
            return None
        self._given, name = self._waiting.popleft()
        return name

    def add(self, found: NamesFound) -> None:
        """These have come. Where text is wanted, those that are none are left out."""
        self.scan.after = found.reached
        for data in found.names:
            name: Any = data
            if self._is_text:
                try:
                    name = data.decode()
                except UnicodeDecodeError:
                    continue
            self._waiting.append((key_of(data), name))

    def begin(self) -> None:
        """Somebody asks for more. Raises UsageError if somebody waits for that already."""
        if self.is_running:
            raise UsageError("this scan is already waiting for names: give each task its own")
        self.is_running = True


def cursor_after(name: str | bytes) -> str:
    """Where a scan goes on after this name. Raises UsageError: that is no name."""
    return key_of(name).hex()


def _as_bytes(text: str | bytes) -> bytes:
    try:
        return text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise UsageError(f"a prefix of text must have a UTF-8 form: {error}") from None


def _place_of(cursor: str) -> bytes:
    if not isinstance(cursor, str) or len(cursor) not in (0, 2 * ID_BYTES) or (
        set(cursor) - set(hexdigits)
    ):  # fmt: skip
        raise UsageError(f"a cursor is what a scan's `cursor` was, not {shown(cursor)}")
    return bytes.fromhex(cursor)
