"""Tables that somebody writes, read strictly: what a form does not know is refused.

Theory of operation. A file's form is a msgspec struct; where there is a choice, it is a tagged
union, a class for each kind. msgspec alone decides if a value fits. Where it says no, value and
form are gone through side by side, and the first thing that does not fit is named in the words of
whoever wrote the file: its place, what may stand there, what does, and the nearest name.

Rule: knows no form; the classes say their limits (`Meta`, or `ValueError` in `__post_init__`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from perflab.forms import AT, check_values, one_line, shown, toml_table

__all__ = ["Table", "Text", "known", "near", "read_table", "table_of", "tag_of", "tagged"]

T = TypeVar("T")

# No `pattern`: msgspec 0.22 frees the expression of a type that is used once, and crashes later.
Text = Annotated[str, Meta(min_length=1)]
"""A text that says something; one of blanks alone is refused everywhere."""

# TOML has dates of its own: a text that looks like one is none.
DATES = (datetime.date, datetime.datetime, datetime.time)


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A form of a table; its fields are the keys that may stand in it."""


def read_table(path: Path, what: type[T], fault: type[ValueError]) -> T:
    """A TOML file as `what`; `fault` in one line that names the file if it is something else."""
    return table_of(toml_table(path, fault), what, path.name, fault)


def table_of(value: object, what: type[T], place: str, fault: type[ValueError]) -> T:
    """A plain table as `what`; `fault` names the place, the key, the value, and what may be."""
    check_values(value, place, fault)
    try:
        found = msgspec.convert(value, what, builtin_types=DATES)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        words = next(_misfits(value, what, ""), None) or _own_words(error)
        raise fault(f"{place}: {one_line(words)}") from error
    for at in _blanks(value, ""):
        raise fault(f"{place}: {at} is {SAID[str]}")
    return found


def known(name: object, names: Iterable[str], what: str, fault: type[ValueError]) -> None:
    """Raise `fault` for a name that is none of these, with the nearest of them."""
    names = list(names)
    if name not in names:
        raise fault(f"unknown {what}: {shown(name)}{near(name, names)}")


def near(name: object, names: Iterable[str]) -> str:
    """What may have been meant by a name: the nearest, or all there are."""
    names = list(names)
    found = get_close_matches(name, names, 1) if isinstance(name, str) else []
    return f"; did you mean {found[0]!r}?" if found else f"; there are {', '.join(names)}"


def tag_of(kind: type[msgspec.Struct]) -> str:
    """What the class of a tagged union is called in a file."""
    return str(kind.__struct_config__.tag)


def tagged(base: type[T]) -> dict[str, type[T]]:
    """The classes below a base by their tags, in their order; those that begin with _ are none."""
    found: dict[str, type[T]] = {}
    for each in base.__subclasses__():
        if not each.__name__.startswith("_"):
            found[tag_of(each)] = each  # type: ignore[arg-type] # of structs
        found |= tagged(each)
    return found


def _misfits(value: Any, what: Any, at: str) -> Iterator[str]:
    """What does not fit, in the order in which it stands there."""
    inner = get_args(what)[0] if get_origin(what) is Annotated else what
    if isinstance(value, dict) and (kinds := _structs(inner)):
        yield from _misfits_of_kinds(value, kinds, at)
        return
    inner = _alternative(value, inner)
    if isinstance(value, list) and get_origin(inner) is list:
        for number, each in enumerate(value):
            yield from _misfits(each, get_args(inner)[0], f"{at}[{number}]")
    elif isinstance(value, dict) and get_origin(inner) is dict:
        key_kind, kind = get_args(inner)
        for key, each in value.items():
            if _refused(key, key_kind):
                yield f"{at} has no {shown(key)}{near(key, map(str, get_args(key_kind)))}"
            yield from _misfits(each, kind, f"{at}.{key}" if at else key)
    if _refused(value, what):
        yield f"{at or 'it'} is {_meaning(what, at)}, not {shown(value)}"


def _misfits_of_kinds(table: dict[str, Any], kinds: list[Any], at: str) -> Iterator[str]:
    """Of a table that may be one of these structs; the tag says which."""
    place, by_tag = at or "it", {tag_of(each): each for each in kinds}
    tag_field = kinds[0].__struct_config__.tag_field
    kind = kinds[0]
    if tag_field is not None:
        if tag_field not in table:
            yield f"{place} needs {tag_field!r}: one of {', '.join(by_tag)}"
            return
        tag = table[tag_field]
        if not isinstance(tag, str) or tag not in by_tag:
            where = f"{at}.{tag_field}" if at else tag_field
            yield f"{where} is one of {', '.join(by_tag)}, not {shown(tag)}{_meant(tag, by_tag)}"
            return
        kind, place = by_tag[tag], f"{place} ({tag_field} {tag})"
    hints = get_type_hints(kind, include_extras=True)
    fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
    for name in table:
        if name not in fields and name != tag_field:
            yield f"{place} has no {shown(name)}{near(name, fields)}"
    for name, field in fields.items():
        if name not in table and field.required:
            yield f"{place} needs {name!r}"
        elif name in table:
            yield from _misfits(table[name], hints[field.name], f"{at}.{name}" if at else name)


def _blanks(value: Any, at: str) -> Iterator[str]:
    """Where texts stand that are blanks alone."""
    if isinstance(value, str) and value and not value.strip():
        yield one_line(at)
    items = value.items() if isinstance(value, dict) else ()
    for key, each in items:
        yield from _blanks(each, f"{at}.{key}" if at else key)
    for number, each in enumerate(value if isinstance(value, list) else ()):
        yield from _blanks(each, f"{at}[{number}]")


def _structs(what: Any) -> list[Any]:
    """The structs among what may stand at a place."""
    members = get_args(what) if get_origin(what) in (Union, UnionType) else (what,)
    return [each for each in members if isinstance(each, type) and issubclass(each, msgspec.Struct)]


def _alternative(value: Any, what: Any) -> Any:
    """Of a union the member that is a list, or a table, as the value is one."""
    if get_origin(what) not in (Union, UnionType):
        return what
    for member in get_args(what):
        inner = get_args(member)[0] if get_origin(member) is Annotated else member
        if get_origin(inner) is type(value):
            return inner
    return what


def _refused(value: Any, what: Any) -> bool:
    """Whether msgspec refuses the value itself, and not something within it."""
    try:
        msgspec.convert(value, what, builtin_types=DATES)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        return AT.search(one_line(error)) is None
    return False


def _own_words(error: Exception) -> str:
    """What a class said itself when it was made, behind the place where that was."""
    words = one_line(error)
    match = AT.search(words)
    if match is None:
        return words
    place = match["place"].removeprefix("$").removeprefix(".")
    return f"{place}: {words[: match.start()]}" if place else words[: match.start()]


def _meaning(what: Any, at: str, *limits: Meta) -> str:
    """What may stand at a place, in words."""
    origin, members = get_origin(what), get_args(what)
    if origin is Annotated:
        return _meaning(members[0], at, *members[1:])
    if origin in (Union, UnionType):
        said = [_meaning(each, at) for each in members if each is not type(None)]
        return " or ".join(dict.fromkeys(said))
    if origin is Literal:
        return f"one of {', '.join(map(str, members))}"
    if origin is dict or _structs(what):
        return f"a table [{at}]" if at else "a table"
    if origin is list:
        sort = f"a list of tables [[{at}]]" if _structs(members[0]) else "a list"
        least, most = _limit("min_length", limits), _limit("max_length", limits)
        return sort + (", one or more" if least else "") + (f", at most {most:,}" if most else "")
    if what in (int, float):
        return f"{'a whole number' if what is int else 'a number'}{_range(limits)}"
    return SAID[what]


SAID: dict[Any, str] = {
    str: "a text that is not blank",
    bool: "true or false",
    datetime.date: "a date such as 2027-01-31",
}


def _limit(name: str, limits: tuple[Meta, ...]) -> Any:
    return next((getattr(each, name) for each in limits if getattr(each, name) is not None), None)


def _range(limits: tuple[Meta, ...]) -> str:
    """From where to where, such as " from 1 to 64" or " above 0, up to 600"."""
    ge, gt, le, lt = (_limit(name, limits) for name in ("ge", "gt", "le", "lt"))
    least = f" above {gt:,.15g}" if gt is not None else ""
    most = f" below {lt:,.15g}" if lt is not None else ""
    if ge is not None:
        least = f" from {ge:,.15g}"
    if le is not None:
        most = f" up to {le:,.15g}" if ge is None else f" to {le:,.15g}"
    apart = "," if least and most and not (ge is not None and le is not None) else ""
    return f"{least}{apart}{most}"


def _meant(name: object, names: Iterable[str]) -> str:
    found = near(name, names)
    return found if "did you mean" in found else ""
