"""What is filed beside asv's results: read, chosen, merged and laid out.

Of what kinds, and how much of each is kept, is the table of `kinds.py`. A thing is kept as its
site reads it, JSON without blanks, under the name that it has below `.asv`.

Rule: what cannot be read, leads elsewhere or is too large is told in a line, and costs itself only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from perflab.archive.form import FILE_NAME, HASH, LONGEST_NAME
from perflab.archive.kinds import KINDS, FiledHead
from perflab.forms import one_line

__all__ = ["FiledItem", "FiledItems", "kept_of", "of_machines", "read_reports", "to_write"]

LINES = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class FiledItem:
    """One filed thing."""

    kind: str
    place: str
    """Its folder or file below `.asv`."""
    head: FiledHead
    files: Mapping[str, bytes] = field(repr=False)
    """By their names below the place; "": it is the file."""

    @property
    def size(self) -> int:
        return sum(map(len, self.files.values()))

    @property
    def machine(self) -> str:
        """Whose it is; "" for no machine's."""
        parts = self.place.split("/")
        return parts[1] if KINDS[self.kind].machine and len(parts) > 2 else ""

    def named_files(self) -> dict[str, bytes]:
        """By their names below `.asv`."""
        return {f"{self.place}/{n}" if n else self.place: data for n, data in self.files.items()}

    def newer(self, other: FiledItem | None) -> FiledItem:
        """The one of the two that was begun or went on later; what differs nevertheless is decided
        by its text."""
        return self if other is None else max(self, other, key=lambda each: each._age)

    @property
    def _age(self) -> tuple[str, list[tuple[str, bytes]]]:
        # A file of lines that went on is longer, so it comes after what it was.
        return self.head.began, sorted(self.files.items(), reverse=True)


@dataclass(frozen=True, kw_only=True)
class FiledItems:
    """What a folder holds of all kinds."""

    items: dict[str, FiledItem] = field(default_factory=dict)
    """By place."""
    problems: list[str] = field(default_factory=list)
    """What was left alone, and why."""


def read_reports(folder: Path) -> FiledItems:
    """All that is filed in `folder`, which is `.asv`, or a kept history."""
    found = FiledItems()
    inside = folder.resolve()
    for kind in KINDS.values():
        for path in kind.paths(folder):
            place = path.relative_to(folder).as_posix()
            try:
                _check_place(path, place, inside)
                head, files = kind.read(path)
                if not HASH.fullmatch(head.commit):
                    head = replace(head, commit="")
                item = FiledItem(kind=kind.name, place=head.place or place, head=head, files=files)
                if item.size > kind.most_bytes:
                    raise ValueError(
                        f"{item.size:,} bytes; {kind.what} have at most {kind.most_bytes:,}"
                    )
            except (ValueError, KeyError, TypeError, IndexError, OSError, RecursionError) as error:
                said = f"{error} is missing" if isinstance(error, KeyError) else one_line(error)
                found.problems.append(f"{place}: {said.removeprefix(f'{place}: ')}")
                continue
            found.items[item.place] = item.newer(found.items.get(item.place))
    return found


def _check_place(path: Path, place: str, inside: Path) -> None:
    """It is published, and its name becomes a folder of the site."""
    for part in place.split("/"):
        if not FILE_NAME.fullmatch(part) or len(part.encode()) > LONGEST_NAME:
            raise ValueError("this cannot name a file")
    for each in (path, *(path.rglob("*") if path.is_dir() else ())):
        if each.is_symlink() and not each.resolve().is_relative_to(inside):
            raise ValueError(f"{each.name} is a link to somewhere else")


def of_machines(
    items: Iterable[FiledItem], machines: Collection[str] | None, name: str | None
) -> list[FiledItem]:
    """Those of the machines given (None: all), filed under another name if there is one. What is no
    machine's is always among them."""
    chosen = []
    for each in items:
        if not each.machine:
            chosen.append(each)
        elif machines is None or each.machine in machines:
            first, _, rest = each.place.split("/", 2)
            chosen.append(replace(each, place=f"{first}/{name or each.machine}/{rest}"))
    return chosen


def kept_of(items: Iterable[FiledItem], readiness_runs: int | None = None) -> dict[str, FiledItem]:
    """By place, the newest whole ones of each machine and group, as the table has it."""
    groups: dict[tuple[str, str], list[FiledItem]] = defaultdict(list)
    for each in items:
        if each.head.whole:
            groups[each.kind, each.machine].append(each)
    kept = {}
    for (name, _), found in groups.items():
        kind = KINDS[name]
        many = readiness_runs if name == "readiness" and readiness_runs else kind.newest
        counts: dict[str, int] = defaultdict(int)
        left = kind.all_bytes
        for each in sorted(found, key=lambda one: (one.head.began, one.place), reverse=True):
            if counts[each.head.group] < many and each.size <= left:
                counts[each.head.group] += 1
                left -= each.size
                kept[each.place] = each
    return kept


def to_write(item: FiledItem, folder: Path) -> dict[Path, bytes]:
    """The files of it that `folder` lacks. What lies there is left alone, but a file of lines that
    went on elsewhere goes on here."""
    files = {folder / name: data for name, data in item.named_files().items()}
    there = {path: path.read_bytes() for path in files if path.is_file()}
    if not there:
        return files
    grown = any(
        path.suffix == LINES and files[path].startswith(data) and len(files[path]) > len(data)
        for path, data in there.items()
    )
    return files if grown else {}
