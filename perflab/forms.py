"""Read JSON of our own forms: what does not fit is a fault of the file, in its owner's words.

Rule: knows no form; each record says its own format, version and error.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["check_form", "decoded"]

T = TypeVar("T")


class _Form(Protocol):
    @property
    def format(self) -> str: ...

    @property
    def version(self) -> int: ...


def decoded(data: bytes, what: type[T], place: str, fault: type[ValueError]) -> T:
    """`data` as `what`; `fault`, which names `place`, if it is something else."""
    import msgspec

    try:
        return msgspec.json.decode(data, type=what)
    except (msgspec.DecodeError, ValueError) as error:
        raise fault(f"{place}: {error}") from error


def check_form(found: _Form, form: tuple[str, int], place: str, fault: type[ValueError]) -> None:
    """Raise `fault` for another format and version than those of `form`."""
    if (found.format, found.version) != form:
        raise fault(
            f"{place}: {found.format!r} version {found.version}; only {form[0]!r} version "
            f"{form[1]} is understood here"
        )
