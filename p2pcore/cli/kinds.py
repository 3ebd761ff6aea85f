"""Kinds of words on the command line: each takes the text, and returns what is meant by it.

Rule: what can't be meant raises ArgumentTypeError, which says what was expected and what came.
"""

import argparse
import math
from collections.abc import Callable
from string import hexdigits

from p2pcore.address import parse_address, split_address
from p2pcore.errors import UsageError
from p2pcore.ids import ID_BYTES

__all__ = [
    "address",
    "contact",
    "count",
    "node_name",
    "number",
    "seconds",
    "share",
    "size",
    "size_words",
]

MAX_SECONDS = 1e9  # 31 years: what no timer or clock takes amiss
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def address(text: str) -> str:
    """`host:port`."""
    return _checked(split_address, text)


def contact(text: str) -> str:
    """`host:port` or `host:port#id`."""
    return _checked(parse_address, text)


def node_name(text: str) -> str:
    """`host:port`, `host:port#id`, or an id."""
    if ":" in text:
        return contact(text)
    if len(text) != 2 * ID_BYTES or set(text) - set(hexdigits):
        expected = f"host:port, host:port#id, or an id of {2 * ID_BYTES} hex digits"
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return text


def _checked(parse: Callable[[str], object], text: str) -> str:
    try:
        parse(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def number(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def share(text: str) -> float:
    """A part of a whole."""
    return _float(text, 1, "a number from 0 to 1")


def seconds(text: str) -> float:
    """A time; 0 is a time, too."""
    return _float(text, MAX_SECONDS, f"a number of seconds, 0 to {MAX_SECONDS:g}")


def _float(text: str, most: float, allowed: str) -> float:
    """A number from 0 to `most`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {allowed}")
    return value


def size(text: str) -> int:
    """Bytes, with or without a unit."""
    digits = text.rstrip("".join(UNITS))
    unit = UNITS.get(text[len(digits) :])
    if unit is None or not (digits.isascii() and digits.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 1048576, 512M or 2G")
    return int(digits) * unit


def size_words(size_bytes: int) -> str:
    """Bytes as they are typed, in the largest unit that leaves a whole number."""
    name, unit = max(
        (item for item in UNITS.items() if size_bytes % item[1] == 0), key=lambda item: item[1]
    )
    return f"{size_bytes // unit}{name}"
