"""Read files of our own forms: what does not fit is a fault of the file, in its owner's words.

Theory of operation. Whatever a file holds, its reader gets a value of the asked type or raises the
error that its owner names, in one line with the file, the key, the value and the limit. A value of
the right type can still be none that a program can work with: a number beyond 64 bits, an infinite
one, a thousand brackets. Those are refused here, once for all; what a form allows beyond that, its
classes check when they are made (`ValueError` in `__post_init__`).

Rule: knows no form; each record says its own format, version and error.
"""

from __future__ import annotations

import math
import re
import reprlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

__all__ = [
    "AT",
    "MOST_BYTES",
    "check_form",
    "check_values",
    "content",
    "converted",
    "cut_torn_line",
    "decoded",
    "document",
    "lines",
    "one_line",
    "shown",
    "text",
    "toml_table",
]

T = TypeVar("T")

MOST_BYTES = 64 << 20  # of a file that is read as a whole: the largest report is 2 MiB
MOST_TEXT_BYTES = 1 << 20  # of a file that somebody writes
MOST_DEEP = 32  # tables in tables; our own forms have 8
MOST_WHOLE = 1 << 63  # what numpy, structs and the kernel take
BOM = "\ufeff"
AT = re.compile(r" - at `(?P<place>\$.*?)`$")
"""Where msgspec says that something does not fit, at the end of its words."""


class _Form(Protocol):
    @property
    def format(self) -> str: ...

    @property
    def version(self) -> int: ...


def content(path: Path, fault: type[ValueError], most: int = MOST_BYTES) -> bytes:
    """All of a file; OSError, or `fault` if there is more than `most`."""
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise fault(f"{path.name} is larger than {most:,} bytes, the most that is read")
    return data


def text(path: Path, fault: type[ValueError], most: int = MOST_TEXT_BYTES) -> str:
    """All of a text file; `fault` if it cannot be read, is no UTF-8, or begins with a mark."""
    try:
        found = content(path, fault, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise fault(f"{path.name} is no UTF-8 text: byte {error.start} cannot be") from error
    except (OSError, ValueError) as error:  # a ValueError for a name that no file can have
        if isinstance(error, fault):
            raise
        words = error.strerror if isinstance(error, OSError) else error
        raise fault(f"{shown(str(path))} cannot be read: {words}") from error
    if found.startswith(BOM):
        raise fault(f"{path.name} begins with a byte order mark; save it as UTF-8 without one")
    return found


def toml_table(path: Path, fault: type[ValueError]) -> dict[str, Any]:
    """A TOML file; `fault` if it is none, or holds values that nothing can work with."""
    try:
        found = tomllib.loads(text(path, fault))
    except RecursionError as error:
        raise fault(f"{path.name}: brackets nested deeper than {MOST_DEEP}") from error
    except ValueError as error:
        if isinstance(error, fault):
            raise
        raise fault(f"{path.name}: cannot be read: {one_line(error)}") from error
    check_values(found, path.name, fault)
    return found


def document(path: Path, what: type[T], fault: type[ValueError]) -> T:
    """A JSON file as `what`; `fault` if it is something else, or OSError."""
    return converted(_json(content(path, fault), path.name, fault), what, path.name, fault)


def lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a file that is appended to, without what follows the last of them."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def cut_torn_line(path: Path) -> None:
    """Leave the whole lines alone in a file that is appended to, if there is one."""
    if path.exists():
        whole = sum(map(len, lines(path)))
        with path.open("r+b") as file:
            file.truncate(whole)


def decoded(data: bytes, what: type[T], place: str, fault: type[ValueError]) -> T:
    """JSON as `what`; `fault`, which names `place`, if it is something else. For many lines: the
    sizes of numbers are for `what` to check."""
    import msgspec

    try:
        return msgspec.json.decode(data, type=what)
    except RecursionError as error:
        raise fault(f"{place}: brackets nested deeper than {MOST_DEEP}") from error
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        raise fault(f"{place}: {one_line(error)}") from error


def converted(value: Any, what: type[T], place: str, fault: type[ValueError]) -> T:
    """What a file held as `what`; `fault` says the key, what it holds, and what it may be."""
    import msgspec

    check_values(value, place, fault)
    try:
        return msgspec.convert(value, what, from_attributes=True, str_keys=True)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        words = one_line(error)
        match = AT.search(words)
        if match is None:
            raise fault(f"{place}: {words}") from error
        holds = _held(value, match["place"].removeprefix("$"))
        raise fault(f"{place}: {match['place']}{holds}: {words[: match.start()]}") from error


def check_values(value: Any, place: str, fault: type[ValueError]) -> None:
    """Raise `fault` for numbers that are not finite or beyond 64 bits, and for nesting too deep."""
    left = [(value, "", 0)]
    while left:
        each, key, deep = left.pop()
        where = " ".join(f"{place}: {key}".split()) if key else place
        if deep > MOST_DEEP:
            raise fault(f"{place}: brackets nested deeper than {MOST_DEEP}")
        if isinstance(each, dict):
            left += [(v, f"{key}.{k}" if key else str(k), deep + 1) for k, v in each.items()]
        elif isinstance(each, list | tuple):
            left += [(v, f"{key}[{number}]", deep + 1) for number, v in enumerate(each)]
        elif isinstance(each, float) and not math.isfinite(each):
            raise fault(f"{where} is a finite number, not {each}")
        elif isinstance(each, int) and not -MOST_WHOLE <= each < MOST_WHOLE:
            raise fault(f"{where} is a number of 64 bits, not {shown(each)}")


def check_form(found: _Form, form: tuple[str, int], place: str, fault: type[ValueError]) -> None:
    """Raise `fault` for another format and version than those of `form`."""
    if (found.format, found.version) != form:
        raise fault(
            f"{place}: {shown(found.format)} version {found.version}; only {form[0]!r} version "
            f"{form[1]} is understood here"
        )


def shown(value: object) -> str:
    """A value for a message: one short line, whatever it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return f"one of {value.bit_length()} bits"
    return _SHORT.repr(value)


def _json(data: bytes, place: str, fault: type[ValueError]) -> Any:
    return decoded(data, object, place, fault)


def _held(value: Any, path: str) -> str:
    """What stands at a place such as `.a[0].b`; "" if that cannot be told."""
    for name, number in re.findall(r"\.?([^.\[\]]+)|\[(\d+)\]", path):
        try:
            value = value[int(number)] if number else value[name]
        except (LookupError, TypeError, ValueError):
            return ""
    return f" is {shown(value)}"


def one_line(words: object) -> str:
    """Words without line breaks and the like."""
    return " ".join(str(words).split())


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 3
