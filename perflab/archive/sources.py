"""Where measurements come from: folders, clones, archives and branches of other repositories.

Rule: reads; what a stranger packed is read file by file and never unpacked as it is.

A source is in one of two forms, the kept history's or asv's own, and lies at its top, or where a
checkout has them: where its asv.conf.json says (`results_dir`), or where they mostly are. A clone
has both, and both count, each by itself. A source with links that lead out of it is refused: they
point at something that its author has not packed.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from perflab.archive.archive import Archive, is_archive, read_archive
from perflab.archive.asv_files import is_results, read_any_results
from perflab.archive.form import HistoryError
from perflab.archive.kinds import KINDS
from perflab.archive.reports import FiledItems, read_reports
from perflab.archive.shipped import SHIPPED
from perflab.results.git import start

__all__ = ["fetched", "read_source"]

PLACES = (".", SHIPPED, ".asv/results", "results")
CONFIGS = ("asv.conf.json", "*/asv.conf.json")
DEFAULT_RESULTS = "results"  # of asv, beside its configuration
SUFFIXES = {".json", ".jsonl"}
MAX_UNPACKED_BYTES = 4 << 30  # ten years of nights leave a tenth of it
FILED = tuple({place.split("/")[0]: None for kind in KINDS.values() for place in kind.places})
UNPACKING = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    RuntimeError,  # a password, to zipfile
)  # fmt: skip


def read_source(path: Path, *, own: bool = False) -> list[Archive]:
    """What a folder or an archive (tar, zip) holds, each history in it by itself.

    `own`: it is this checkout's, whose links lead where its owner wants. Raises HistoryError if it
    is neither, holds nothing, or holds something that cannot be read.
    """
    if path.is_dir():
        return _read_folder(path, str(path), own=own)
    if not path.is_file():
        raise HistoryError(f"{path}: there is no such folder or archive")
    with tempfile.TemporaryDirectory(prefix="p2pcore-history-") as folder:
        _unpack(path, Path(folder))
        found = [Path(folder), *(each for each in Path(folder).iterdir() if each.is_dir())]
        # People pack the folder as often as what is in it.
        inside = next((each for each in found if _parts(each)), found[0])
        return _read_folder(inside, str(path), own=False)


@contextlib.contextmanager
def fetched(root: Path, remote: str, branch: str) -> Iterator[Path]:
    """A folder with the newest files of a branch of `remote`, a name that git knows or an address.

    A clone of its own: nothing of the checkout changes, and its history stays as deep as it is.
    """
    for word in (remote, branch):
        if not word or word.startswith("-"):
            raise HistoryError(f"'{word}' is no remote and no branch")
    asked = start(root, "remote", "get-url", remote)
    address = os.fsdecode(asked.stdout.removesuffix(b"\n")) if asked.returncode == 0 else remote
    with tempfile.TemporaryDirectory(prefix="p2pcore-history-") as folder:
        clone = ("clone", "--depth=1", "--single-branch", "--no-tags", "--branch", branch)
        # git shows its progress, asks for a password, and says what is wrong.
        done = start(root, *clone, "--", address, folder, captured=False)
        if done.returncode != 0:
            raise HistoryError(f"git could not fetch '{branch}' of '{remote}': see above")
        yield Path(folder)


def _parts(folder: Path) -> list[Path]:
    configured = _configured(folder)
    places = dict.fromkeys([*(folder / place for place in PLACES), *configured])
    return [place for place in places if is_archive(place) or is_results(place)]


def _configured(folder: Path) -> Iterator[Path]:
    """Where the configurations of asv in a folder say that results are, if that is within it."""
    for pattern in CONFIGS:
        for path in sorted(folder.glob(pattern)):
            place = Path(os.path.normpath(path.parent / _results_dir(path)))
            if place.is_relative_to(folder):
                yield place


def _results_dir(config: Path) -> str:
    """A configuration is no JSON: it may have comments."""
    from asv import util

    try:
        found = util.load_json(str(config), js_comments=True)["results_dir"]
    except Exception:  # json5 has errors of its own; what it cannot read has no results_dir
        return DEFAULT_RESULTS
    return found if isinstance(found, str) else DEFAULT_RESULTS


def _read_folder(folder: Path, name: str, *, own: bool) -> list[Archive]:
    parts = _parts(folder)
    beside = folder.parent if is_results(folder) else folder
    places = dict.fromkeys((beside, beside / ".asv", *(part.parent for part in parts)))
    filed = [place for place in places if place.is_relative_to(beside)]
    if not own:
        _check_links(beside, [*parts, *(place / kind for place in filed for kind in FILED)])
    reports = FiledItems()
    for found in map(read_reports, filed):
        reports.items.update(found.items)
        reports.problems.extend(found.problems)
    if not (parts or reports.items):
        raise HistoryError(
            f"{name}: no measurements there: neither a kept history (machines/*.jsonl) nor asv's "
            f"results (MACHINE/machine.json), nor one of them in {', '.join(PLACES[1:])}"
        )
    histories = [
        read_archive(part) if is_archive(part) else read_any_results(part) for part in parts
    ]
    with_reports = histories[0] if histories else Archive()
    with_reports.reports = reports.items | with_reports.reports
    with_reports.left_alone += reports.problems
    return [with_reports, *histories[1:]]


def _check_links(source: Path, places: Iterable[Path]) -> None:
    """Raise HistoryError if anything in these folders is a link that leaves the source."""
    top = source.resolve()
    for place in places:
        for folder, folders, files in os.walk(place):
            for name in ("", *folders, *files):
                each = Path(folder, name)
                if each.is_symlink() and not each.resolve().is_relative_to(top):
                    raise HistoryError(
                        f"{each} is a link that leaves {source}: nothing of it was read"
                    )


def _unpack(archive: Path, folder: Path) -> None:
    left = MAX_UNPACKED_BYTES
    try:
        for name, file in _members(archive):
            path = PurePosixPath(name)
            if path.suffix not in SUFFIXES or path.is_absolute() or ".." in path.parts:
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            data = file.read(left + 1)
            left -= len(data)
            if left < 0:
                raise HistoryError(f"{archive}: more than {MAX_UNPACKED_BYTES >> 30} GiB of files")
            target.write_bytes(data)
    except UNPACKING as error:
        raise HistoryError(f"{archive}: it cannot be unpacked: {error}") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The regular files of an archive, one open at a time."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir():
                    with packed.open(info) as file:
                        yield info.filename, file
        return
    if not tarfile.is_tarfile(archive):
        raise HistoryError(f"{archive}: neither a folder nor an archive (tar, zip)")
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isreg():
                opened = tar.extractfile(member)
                assert opened is not None
                with opened as file:
                    yield member.name, file
